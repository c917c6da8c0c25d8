//! What a store knows of itself: the key of its tokens, and how its indexes are written.

use serde::{Deserialize, Serialize};

/// How indexes are written: 1, texts folded (R-USR-6), accounts by owner, invitations by address,
/// messages by person; 2, what is only forgotten apart from what becomes due.
pub(crate) const INDEXES: u64 = 2;

/// What a store knows of itself.
#[derive(Clone, Serialize, Deserialize)]
#[serde(from = "StoredAbout")]
pub(crate) struct About {
    /// The fingerprint of the key that tokens are derived with.
    pub(crate) token_key: String,
    /// How its indexes are written.
    pub(crate) indexes: u64,
}

/// Older stores know their fingerprint alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum StoredAbout {
    Fingerprint(String),
    Whole { token_key: String, indexes: u64 },
}

impl From<StoredAbout> for About {
    fn from(stored: StoredAbout) -> About {
        match stored {
            StoredAbout::Fingerprint(token_key) => About {
                token_key,
                indexes: 0,
            },
            StoredAbout::Whole { token_key, indexes } => About { token_key, indexes },
        }
    }
}
