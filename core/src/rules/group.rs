//! What the picture of a group may be (R-GRP-6).

use crate::error::Error;
use crate::model::Avatar;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Most bytes of a picture.
const MOST_BYTES: usize = 256 * 1024;
/// No `image/svg+xml`: such a picture can hold scripts.
const MEDIA_TYPES: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];

/// Refuses what is neither bytes with their media type nor an `https` address.
pub fn check_avatar(avatar: &Avatar) -> Result<(), Error> {
    match (&avatar.data, &avatar.url, &avatar.media_type) {
        (Some(data), None, Some(media_type)) => {
            if !MEDIA_TYPES.contains(&media_type.as_str()) {
                return Err(Error::invalid(
                    "/avatar/media_type",
                    format!(
                        "`{media_type}` is not a type of picture; send one of {}.",
                        MEDIA_TYPES.join(", ")
                    ),
                ));
            }
            check_bytes(data)
        }
        (Some(_), None, None) => Err(Error::invalid(
            "/avatar/media_type",
            "Say in `media_type` what the bytes are, such as `image/png`.",
        )),
        (None, Some(_), Some(_)) => Err(Error::invalid(
            "/avatar/media_type",
            "A `media_type` goes only with `data`; leave it out.",
        )),
        (None, Some(url), None) if is_https(url.as_str()) => Ok(()),
        (None, Some(url), None) => Err(Error::invalid(
            "/avatar/url",
            format!(
                "`{url}` is not the address of a picture; begin with `https://` and a host, and \
                 leave out spaces."
            ),
        )),
        (Some(_), Some(_), _) | (None, None, _) => {
            Err(Error::invalid("/avatar", "Give either `data` or `url`."))
        }
    }
}

fn check_bytes(data: &str) -> Result<(), Error> {
    let too_large = || {
        Error::invalid(
            "/avatar/data",
            format!("The `data` of a picture has 1 to {MOST_BYTES} bytes; send a smaller one."),
        )
    };
    // Not even decoded when it must be too large.
    if data.len() > MOST_BYTES.div_ceil(3) * 4 {
        return Err(too_large());
    }
    let bytes = STANDARD.decode(data).map_err(|error| {
        Error::invalid(
            "/avatar/data",
            format!(
                "The `data` of the picture is not in base64: {}.",
                error.to_string().trim_end_matches('.')
            ),
        )
    })?;
    if (1..=MOST_BYTES).contains(&bytes.len()) {
        Ok(())
    } else {
        Err(too_large())
    }
}

/// Host and path, without a name or a password in front, and without what would end an attribute of
/// HTML.
fn is_https(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("https://") else {
        return false;
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let is_host = host
        .chars()
        .all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']'))
        && host.chars().any(char::is_alphanumeric);
    is_host
        && !rest.chars().any(|c| {
            c.is_whitespace() || c.is_control() || matches!(c, '"' | '\'' | '<' | '>' | '\\' | '`')
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Name, Note};

    fn field(media_type: Option<&str>, data: Option<String>, url: Option<&str>) -> Option<String> {
        let avatar = Avatar {
            media_type: media_type.map(|text| Name::new(text).unwrap()),
            data,
            url: url.map(|text| Note::new(text).unwrap()),
        };
        check_avatar(&avatar)
            .err()
            .map(|error| error.field().unwrap().to_owned())
    }

    #[test]
    fn a_picture_is_bytes_with_a_type_or_an_address() {
        let some = || Some(STANDARD.encode(b"picture"));
        assert_eq!(field(Some("image/png"), some(), None), None);
        assert_eq!(
            field(None, None, Some("https://cdn.example:8443/a.png?size=2")),
            None
        );
        assert_eq!(field(None, None, None).as_deref(), Some("/avatar"));
        assert_eq!(
            field(Some("image/png"), some(), Some("https://cdn.example/a.png")).as_deref(),
            Some("/avatar")
        );
        assert_eq!(
            field(None, some(), None).as_deref(),
            Some("/avatar/media_type")
        );
        assert_eq!(
            field(Some("image/svg+xml"), some(), None).as_deref(),
            Some("/avatar/media_type")
        );
        assert_eq!(
            field(Some("image/png"), None, Some("https://cdn.example/a.png")).as_deref(),
            Some("/avatar/media_type")
        );
        assert_eq!(
            field(Some("image/png"), Some("not base64".to_owned()), None).as_deref(),
            Some("/avatar/data")
        );
    }

    #[test]
    fn a_picture_has_a_byte_and_no_more_than_a_quarter_of_a_mebibyte() {
        let of = |bytes: usize| {
            field(
                Some("image/gif"),
                Some(STANDARD.encode(vec![7; bytes])),
                None,
            )
        };
        assert_eq!(of(0).as_deref(), Some("/avatar/data"));
        assert_eq!(of(1), None);
        assert_eq!(of(MOST_BYTES), None);
        assert_eq!(of(MOST_BYTES + 1).as_deref(), Some("/avatar/data"));
        assert_eq!(of(MOST_BYTES + 3).as_deref(), Some("/avatar/data"));
    }

    #[test]
    fn an_address_is_https_with_a_host() {
        for bad in [
            "http://cdn.example/a",
            "https://",
            "https:///a",
            "https://a b/",
            "https://me:pw@cdn.example/",
            "javascript:alert(1)",
            "https://x/\"onload=",
            "https://x/\ny",
        ] {
            assert_eq!(
                field(None, None, Some(bad)).as_deref(),
                Some("/avatar/url"),
                "{bad}"
            );
        }
    }
}
