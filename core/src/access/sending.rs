//! For whom and for what sending is prepared.

use crate::access::view::MemberView;
use crate::model::{Channel, MessageInput};

/// For whom and for what sending is prepared.
pub(crate) struct Sending<'a> {
    pub(crate) member: Option<&'a MemberView>,
    pub(crate) channel: Channel,
    pub(crate) message: &'a MessageInput,
}
