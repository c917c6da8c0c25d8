//! The forms in which hashes of passwords are written, by tenantry and by other platforms: one
//! table of how each is recognised and read, how much work it may ask for, and whether it is weak
//! (R-SES-1, docs/adr/0064). `docs/rules.md` shows the table.

mod algorithm;
mod crypt;
mod frameworks;
mod md5;
#[cfg(test)]
mod tests;
mod text;
#[cfg(test)]
mod vectors;

use algorithm::{ARGON2, BCRYPT, FIXED, Hashed, Limit, PBKDF2, PHPASS, SCRYPT, SHA_CRYPT};
use text::{base64, hexadecimal};

/// A form in which hashes are written.
pub(crate) struct Form {
    /// What answers and messages call it.
    pub(crate) name: &'static str,
    /// How a hash begins; nothing where the scheme of Dovecot alone tells.
    begins: &'static [&'static str],
    /// The schemes of Dovecot that have it behind them, in upper case.
    schemes: &'static [&'static str],
    read: Read,
    limit: Limit,
    /// Whether trying a password costs so little that a stolen hash is found soon, whatever its
    /// parameters.
    pub(crate) is_weak: bool,
}

/// How a hash is taken apart: none where it is incomplete.
enum Read {
    Text(fn(&str) -> Option<Hashed>),
    /// Of bytes, which are in Base64 where nothing else is said.
    Bytes(fn(&[u8]) -> Option<Hashed>),
}

const fn form(
    name: &'static str,
    begins: &'static [&'static str],
    schemes: &'static [&'static str],
    read: fn(&str) -> Option<Hashed>,
    limit: Limit,
) -> Form {
    Form {
        name,
        begins,
        schemes,
        read: Read::Text(read),
        limit,
        is_weak: false,
    }
}

const fn salted(
    name: &'static str,
    schemes: &'static [&'static str],
    read: fn(&[u8]) -> Option<Hashed>,
) -> Form {
    Form {
        name,
        begins: &[],
        schemes,
        read: Read::Bytes(read),
        limit: FIXED,
        is_weak: true,
    }
}

impl Form {
    const fn weak(self) -> Form {
        Form {
            is_weak: true,
            ..self
        }
    }

    fn begins(&self, text: &str) -> bool {
        self.begins.iter().any(|begin| text.starts_with(begin))
    }

    fn read(&'static self, bytes: &[u8]) -> Result<Hash, Unreadable> {
        match self.read {
            Read::Text(read) => std::str::from_utf8(bytes).ok().and_then(read),
            Read::Bytes(read) => read(bytes),
        }
        .map(|hashed| Hash { form: self, hashed })
        .ok_or(Unreadable::Broken(self))
    }
}

/// All forms. PHC is the format of the Password Hashing Competition, which tenantry, passlib, PHP
/// and libsodium write.
static FORMS: [Form; 22] = [
    form(
        "argon2",
        &["$argon2id$", "$argon2i$", "$argon2d$"],
        &["ARGON2ID", "ARGON2I", "ARGON2"],
        frameworks::argon2,
        ARGON2,
    ),
    form("scrypt", &["$scrypt$"], &[], frameworks::scrypt, SCRYPT),
    form(
        "pbkdf2",
        &["$pbkdf2-sha256$", "$pbkdf2-sha512$", "$pbkdf2$"],
        &[],
        frameworks::pbkdf2,
        PBKDF2,
    ),
    form(
        "bcrypt",
        &["$2a$", "$2b$", "$2y$"],
        &["BLF-CRYPT", "CRYPT"],
        crypt::bcrypt,
        BCRYPT,
    ),
    form(
        "sha512-crypt",
        &["$6$"],
        &["SHA512-CRYPT", "CRYPT"],
        crypt::sha_crypt,
        SHA_CRYPT,
    ),
    form(
        "sha256-crypt",
        &["$5$"],
        &["SHA256-CRYPT", "CRYPT"],
        crypt::sha_crypt,
        SHA_CRYPT,
    ),
    form("yescrypt", &["$y$"], &["CRYPT"], crypt::yescrypt, SCRYPT),
    form("scrypt-crypt", &["$7$"], &["CRYPT"], crypt::scrypt, SCRYPT),
    form(
        "md5-crypt",
        &["$1$"],
        &["MD5-CRYPT", "CRYPT"],
        crypt::md5_crypt,
        FIXED,
    )
    .weak(),
    form(
        "dovecot-pbkdf2",
        &[],
        &["PBKDF2"],
        frameworks::dovecot_pbkdf2,
        PBKDF2,
    ),
    salted("ssha", &["SSHA"], frameworks::ssha),
    salted("ssha256", &["SSHA256"], frameworks::ssha256),
    salted("ssha512", &["SSHA512"], frameworks::ssha512),
    form(
        "django-pbkdf2",
        &["pbkdf2_sha256$", "pbkdf2_sha1$"],
        &[],
        frameworks::django_pbkdf2,
        PBKDF2,
    ),
    form(
        "django-bcrypt",
        &["bcrypt$"],
        &[],
        crypt::django_bcrypt,
        BCRYPT,
    ),
    form(
        "django-bcrypt-sha256",
        &["bcrypt_sha256$"],
        &[],
        crypt::django_bcrypt_sha256,
        BCRYPT,
    ),
    form(
        "django-argon2",
        &["argon2$"],
        &[],
        frameworks::django_argon2,
        ARGON2,
    ),
    form(
        "django-scrypt",
        &["scrypt$"],
        &[],
        frameworks::django_scrypt,
        SCRYPT,
    ),
    form("phpass", &["$P$", "$H$"], &[], crypt::phpass, PHPASS).weak(),
    form("wordpress", &["$wp$2y$"], &[], crypt::wordpress, BCRYPT),
    form(
        "werkzeug-pbkdf2",
        &["pbkdf2:sha256:", "pbkdf2:sha512:", "pbkdf2:sha1:"],
        &[],
        frameworks::werkzeug_pbkdf2,
        PBKDF2,
    ),
    form(
        "werkzeug-scrypt",
        &["scrypt:"],
        &[],
        frameworks::werkzeug_scrypt,
        SCRYPT,
    ),
];

/// A hash, taken apart.
pub(crate) struct Hash {
    form: &'static Form,
    hashed: Hashed,
}

/// Why no password can be compared with a text.
enum Unreadable {
    /// It is in none of the forms.
    Unknown,
    /// It begins like a hash in this form, and is not a whole one.
    Broken(&'static Form),
}

impl Hash {
    /// Takes a stored hash apart; none where it is in no form.
    pub(crate) fn of(text: &str) -> Option<Hash> {
        Hash::read(text).ok()
    }

    fn read(text: &str) -> Result<Hash, Unreadable> {
        match text.strip_prefix('{').and_then(|text| text.split_once('}')) {
            Some((scheme, rest)) => Hash::read_behind(&scheme.to_ascii_uppercase(), rest),
            None => FORMS
                .iter()
                .find(|form| form.begins(text))
                .ok_or(Unreadable::Unknown)?
                .read(text.as_bytes()),
        }
    }

    /// Behind a scheme of Dovecot: `{SSHA}…`, `{SHA512-CRYPT.b64}…`.
    fn read_behind(scheme: &str, rest: &str) -> Result<Hash, Unreadable> {
        let (scheme, encoding) = scheme.split_once('.').unwrap_or((scheme, ""));
        let forms: Vec<&'static Form> = FORMS
            .iter()
            .filter(|form| form.schemes.contains(&scheme))
            .collect();
        let unreadable = || match forms.as_slice() {
            [form] => Unreadable::Broken(form),
            _ => Unreadable::Unknown,
        };
        let is_text = forms.iter().all(|form| matches!(form.read, Read::Text(_)));
        let bytes = match encoding {
            "" if is_text => Some(rest.as_bytes().to_vec()),
            "" | "B64" | "BASE64" => base64(rest),
            "HEX" => hexadecimal(rest),
            _ => return Err(Unreadable::Unknown),
        }
        .ok_or_else(unreadable)?;
        let is_in = |form: &Form| {
            form.begins.is_empty()
                || std::str::from_utf8(&bytes).is_ok_and(|text| form.begins(text))
        };
        forms
            .iter()
            .find(|form| is_in(form))
            .ok_or_else(unreadable)?
            .read(&bytes)
    }

    /// Whether a password has this hash.
    pub(crate) fn is_of(&self, password: &[u8]) -> bool {
        self.hashed.is_of(password)
    }

    /// Whether the scheme looked at all of a password that fits. The hash of another one stays as
    /// it is: one that is made anew of what was typed now may be of another password.
    pub(crate) fn is_of_all(&self, password: &str) -> bool {
        self.hashed.is_of_all(password)
    }

    /// The memory in KiB and the passes of Argon2; none where it is by something else.
    pub(crate) fn argon2(&self) -> Option<(u32, u32)> {
        match self.hashed {
            Hashed::Argon2 {
                memory_kib, passes, ..
            } => Some((memory_kib, passes)),
            _ => None,
        }
    }
}

/// The weak form of a stored hash, if it is in one.
pub(crate) fn weak_form(text: &str) -> Option<&'static str> {
    let form = Hash::of(text)?.form;
    form.is_weak.then_some(form.name)
}

/// The form of a hash from another platform. Refuses one that could never be compared with, or only
/// at a cost that others would wait for.
pub(crate) fn check_imported(text: &str) -> Result<&'static Form, String> {
    // Its algorithm took bytes beyond ASCII for negative numbers. No password with one would fit,
    // and nobody sees from the hash whether there is one.
    if text.starts_with("$2x$") {
        return Err(
            "A bcrypt hash that begins with `$2x$` was made by a faulty version and is not used; \
             let its user set a new password."
                .to_owned(),
        );
    }
    let Hash { form, hashed } = Hash::read(text).map_err(|unreadable| match unreadable {
        Unreadable::Unknown => "This hash is in none of the forms that can be imported; let its \
                                user set a new password."
            .to_owned(),
        Unreadable::Broken(form) => format!(
            "This is not a whole hash in the form `{}`; send it just as the other platform \
             stored it.",
            form.name
        ),
    })?;
    if form.limit.allows(hashed.work()) {
        return Ok(form);
    }
    Err(format!(
        "A log-in with this `{}` hash would take too long ({}); let its user set a new password.",
        form.name, form.limit
    ))
}
