//! Hashes of other programs fit, and nothing else does.

use super::vectors::{DEFAULTS, LONG, PASSWORD, VECTORS};
use super::{FORMS, Form, Hash, check_imported, weak_form};
use std::fmt::Write as _;
use std::path::Path;

fn form_of(hash: &str) -> Result<&'static str, String> {
    check_imported(hash).map(|form| form.name)
}

fn fits(hash: &str, password: &str) -> bool {
    Hash::of(hash).is_some_and(|hash| hash.is_of(password.as_bytes()))
}

/// R-SES-1: what other programs made fits the password that they were given, and no other.
#[test]
fn hashes_of_other_programs_fit() {
    for (form, program, password, hash) in VECTORS {
        assert_eq!(form_of(hash), Ok(form), "{program}: {hash}");
        assert!(fits(hash, password), "{program}: {hash}");
        for other in [&password[1..], "", "grüne Äpfel 8"] {
            assert!(!fits(hash, other), "{program}: {hash} fits {other:?}");
        }
    }
    for form in &FORMS {
        let has_vector = VECTORS.iter().any(|(name, ..)| *name == form.name);
        assert!(has_vector, "no vector of {}", form.name);
    }
}

#[test]
fn what_programs_do_by_default_is_taken() {
    for (program, hash) in DEFAULTS {
        assert!(check_imported(hash).is_ok(), "{program}: {hash}");
    }
}

/// What the specifications and the programs give as examples.
#[test]
fn vectors_of_the_specifications() {
    for (password, hash) in [
        // RFC 6070, in the form of passlib.
        (
            "password",
            "$pbkdf2$4096$c2FsdA$SwB5AbdlSJq.rUnZJvch0GWkKcE",
        ),
        // RFC 7914, in the form of Werkzeug.
        (
            "pleaseletmein",
            "scrypt:16384:8:1$SodiumChloride$7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b54\
             3f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887",
        ),
        // The specification of SHA-crypt.
        (
            "Hello world!",
            "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5",
        ),
        // yescrypt's own tests.
        (
            "pleaseletmein",
            "$y$j80$LdJMENpBABJJ3h2$ysXVVJwuaVlI1BWoEKt/Bz3WNDDmdOWz/8KTQaHL1cC",
        ),
        // phpass' own test.
        ("test12345", "$P$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0"),
        // Dovecot's own tests.
        ("test", "{SSHA}H/zrDv8FXUu1JmwvVYijfrYEF34jVZcO"),
        ("test", "{MD5-CRYPT}$1$GgvxyNz8$OjZhLh4P.gF1lxYEbLZ3e/"),
        (
            "test",
            "{PBKDF2}$1$bUnT4Pl7yFtYX0KU$5000$50a83cafdc517b9f46519415e53c6a858908680a",
        ),
        (
            "test",
            "{BLF-CRYPT}$2y$05$11ipvo5dR6CwkzwmhwM26OXgzXwhV2PyPuLV.Qi31ILcRcThQpEiW",
        ),
    ] {
        assert!(form_of(hash).is_ok(), "{hash}: {:?}", form_of(hash));
        assert!(fits(hash, password) && !fits(hash, "another"), "{hash}");
    }
}

/// What stands behind a scheme, without regard to the case of the scheme; another spelling of how
/// bcrypt and phpass begin means the same too.
fn meaning(hash: &str) -> String {
    let rest = match hash.strip_prefix('{').and_then(|hash| hash.split_once('}')) {
        Some((_, rest)) => rest,
        None => hash,
    };
    // Django writes a word before hashes that are whole without it.
    let rest = rest.strip_prefix("bcrypt$").unwrap_or(rest);
    let mut meaning = rest.replacen("argon2$argon2", "$argon2", 1);
    for (spelled, means) in [("$2a$", "$2b$"), ("$2y$", "$2b$"), ("$H$", "$P$")] {
        meaning = meaning.replacen(spelled, means, 1);
    }
    meaning
}

/// Random numbers by xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    fn character(&mut self) -> char {
        const ALL: &[u8] =
            b"./+=,:;$ {}-_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        char::from(ALL[self.below(ALL.len())])
    }
}

fn random() -> Random {
    let seed = std::env::var("TENANTRY_SEED").ok();
    let seed = seed.and_then(|seed| seed.parse().ok()).unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        now.unwrap().as_nanos() as u64 | 1
    });
    println!("TENANTRY_SEED={seed}");
    Random(seed)
}

/// A hash that was cut, or changed at a place.
fn altered(hash: &str, random: &mut Random) -> Vec<String> {
    let mut all = Vec::new();
    for at in 0..hash.len() {
        let (before, after) = hash.split_at(at);
        let (changed, inserted) = (random.character(), random.character());
        all.push(before.to_owned());
        all.push(after.to_owned());
        all.push(format!("{before}{}", &after[1..]));
        all.push(format!("{before}{changed}{}", &after[1..]));
        all.push(format!("{before}{inserted}{after}"));
        all.push(format!("{before}0{after}"));
        all.push(format!("{before}+{}", &after[1..]));
        let other_case = match after.chars().next() {
            Some(c) if c.is_ascii_lowercase() => c.to_ascii_uppercase(),
            Some(c) => c.to_ascii_lowercase(),
            None => continue,
        };
        all.push(format!("{before}{other_case}{}", &after[1..]));
        all.push(format!("{before}ü{}", &after[1..]));
    }
    all.push(format!("{hash}$"));
    all.push(format!("{hash}\n"));
    all.push(format!("{hash}{}", random.character()));
    all
}

/// A hash that lost its end, or in which a character is another, is refused or fits no more.
#[test]
fn what_is_cut_or_changed_does_not_fit() {
    let mut random = random();
    let mut compared = 0;
    for (_, program, password, hash) in VECTORS {
        let work = Hash::of(hash).unwrap().hashed.work();
        if work > 100_000 {
            continue;
        }
        for text in altered(hash, &mut random) {
            if meaning(&text) == meaning(hash) || check_imported(&text).is_err() {
                continue;
            }
            let read = Hash::of(&text).unwrap();
            // More work than that is another hash; to see it takes too long.
            if read.hashed.work() <= work + work / 8 {
                compared += 1;
                assert!(
                    !read.is_of(password.as_bytes()),
                    "{program}: {hash} was changed to {text}"
                );
            }
        }
    }
    assert!(compared > 2000, "only {compared} were compared");
}

/// However a text goes on behind a beginning that is known, it is answered.
#[test]
fn no_text_is_too_strange() {
    let mut random = random();
    let begins: Vec<String> = FORMS
        .iter()
        .flat_map(|form| {
            let schemes = form.schemes.iter().flat_map(|scheme| {
                ["", ".b64", ".hex"].map(|encoding| format!("{{{scheme}{encoding}}}"))
            });
            form.begins
                .iter()
                .map(|&begin| begin.to_owned())
                .chain(schemes)
        })
        .collect();
    for round in 0..40_000 {
        let begin = &begins[round % begins.len()];
        let length = random.below(120);
        let rest: String = (0..length).map(|_| random.character()).collect();
        let _ = check_imported(&format!("{begin}{rest}"));
    }
}

/// The vector of a form, with a part of it replaced.
fn with(form: &str, from: &str, to: &str) -> String {
    let of_form = |(name, _, _, hash): &&(&str, &str, &str, &str)| {
        *name == form && hash.contains(from) && !hash.contains('}')
    };
    let hash = VECTORS.iter().find(of_form).unwrap().3;
    hash.replacen(from, to, 1)
}

/// R-SES-1: nobody imports a hash to make log-ins slow. Each bound is taken, and refused one above.
#[test]
fn work_is_bounded() {
    for (form, from, last, first_beyond) in [
        ("bcrypt", "$04$", "$14$", "$15$"),
        ("wordpress", "$04$", "$14$", "$15$"),
        ("django-bcrypt", "$04$", "$14$", "$15$"),
        ("django-bcrypt-sha256", "$04$", "$14$", "$31$"),
        ("argon2", "m=64,t=2", "m=262144,t=4", "m=262144,t=5"),
        ("argon2", "m=64,t=2", "m=262144,t=1", "m=262145,t=1"),
        ("django-argon2", "m=64,t=1", "m=8192,t=128", "m=8192,t=129"),
        ("sha512-crypt", "=1000$", "=1000000$", "=1000001$"),
        ("sha256-crypt", "=1000$", "=1000000$", "=999999999$"),
        ("pbkdf2", "$100$", "$2000000$", "$2000001$"),
        ("django-pbkdf2", "$100$", "$2000000$", "$2000001$"),
        ("werkzeug-pbkdf2", ":100$", ":2000000$", ":2000001$"),
        ("scrypt", "ln=4,r=8,p=1", "ln=18,r=8,p=1", "ln=19,r=8,p=1"),
        (
            "scrypt",
            "ln=4,r=8,p=1",
            "ln=4,r=8,p=16384",
            "ln=4,r=8,p=16385",
        ),
        (
            "django-scrypt",
            "scrypt$16$",
            "scrypt$32768$",
            "scrypt$65536$",
        ),
        (
            "werkzeug-scrypt",
            ":1024:8:1$",
            ":262144:8:1$",
            ":524288:8:1$",
        ),
        ("yescrypt", "$j75$", "$jDT$", "$jET$"),
        ("scrypt-crypt", "$BU....", "$EU....", "$FU...."),
        ("phpass", "$P$6", "$P$I", "$P$J"),
    ] {
        assert_eq!(form_of(&with(form, from, last)), Ok(form), "{form} {last}");
        let refused = form_of(&with(form, from, first_beyond)).unwrap_err();
        let begins = format!("A log-in with this `{form}` hash would take too long (at most ");
        assert!(
            refused.starts_with(&begins),
            "{form} {first_beyond}: {refused}"
        );
    }
    let dovecot = "{PBKDF2}$1$salt$2000001$c9b43fa97579a899ee64e4a9a5c34985a0d3020f";
    assert!(form_of(dovecot).unwrap_err().contains("dovecot-pbkdf2"));
    // An output of two blocks takes twice the work.
    let output = "A".repeat(54);
    let two_blocks = |rounds| format!("$pbkdf2-sha256$i={rounds},l=40$c2FsdA${output}");
    assert_eq!(form_of(&two_blocks(1_000_000)), Ok("pbkdf2"));
    assert!(form_of(&two_blocks(1_000_001)).is_err());
}

/// Numbers that no program writes: for the crates they would be a panic, or all memory.
#[test]
fn numbers_at_their_ends_are_answered() {
    for (form, from, to) in [
        ("scrypt", "ln=4,r=8,p=1", "ln=4,r=65536,p=65536"),
        ("scrypt", "ln=4,r=8,p=1", "ln=4,r=4294967295,p=4294967295"),
        ("scrypt", "ln=4,r=8,p=1", "ln=63,r=1,p=1"),
        ("scrypt", "ln=4,r=8,p=1", "ln=0,r=8,p=1"),
        ("scrypt", "ln=4,r=8,p=1", "ln=4,r=0,p=1"),
        ("scrypt", "ln=4,r=8,p=1", "ln=4,r=8,p=0"),
        ("scrypt-crypt", "$BU..../....", "$zzzzzzzzzzz"),
        ("scrypt-crypt", "$BU..../....", "$..........."),
        ("yescrypt", "$j75$", "$jzzzzzzzzzzzz$"),
        ("yescrypt", "$j75$", "$j7$"),
        ("yescrypt", "$j75$", "$.75$"),
        ("yescrypt", "$j75$", "$j75.$"),
        ("yescrypt", "$j75$", "$j75D$"),
        ("yescrypt", "$j75$", "$j75/.$"),
        ("werkzeug-scrypt", ":1024:", ":1023:"),
        ("werkzeug-scrypt", ":1024:", ":0:"),
        ("werkzeug-scrypt", ":1024:", ":1:"),
        ("pbkdf2", "$100$", "$0$"),
        ("pbkdf2", "$100$", "$4294967296$"),
        ("pbkdf2", "$100$", "$-1$"),
        ("sha512-crypt", "=1000$", "=999$"),
        ("phpass", "$P$6", "$P$4"),
        ("phpass", "$P$6", "$P$z"),
        ("bcrypt", "$04$", "$03$"),
        ("argon2", "m=64,t=2", "m=4294967295,t=4294967295"),
        ("argon2", "m=64,t=2", "m=64,t=0"),
        ("argon2", "m=64,t=2", "m=64,p=2"),
        ("argon2", "m=64,t=2", "m=64"),
        ("argon2", "m=64,t=2", "t=2,m=64"),
        ("argon2", "$v=19", ""),
        ("argon2", "$v=19", "$v=18"),
    ] {
        let hash = with(form, from, to);
        assert!(form_of(&hash).is_err(), "{hash}");
    }
}

/// The least that yescrypt takes, too.
#[test]
fn little_yescrypt_is_answered() {
    let mut compared = 0;
    for n in "./0123456789".chars() {
        for r in "./01234567".chars() {
            if let Some(hash) = Hash::of(&with("yescrypt", "$j75$", &format!("$j{n}{r}$"))) {
                compared += 1;
                assert_eq!(hash.is_of(PASSWORD.as_bytes()), (n, r) == ('7', '5'));
            }
        }
    }
    assert!(compared > 20, "only {compared} were compared");
}

#[test]
fn what_is_in_no_form() {
    for text in [
        "",
        "password",
        "5f4dcc3b5aa765d61d8327deb882cf99",
        "{PLAIN}password",
        "{SHA256}n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=",
        "{SSHA.ZIP}H/zrDv8FXUu1JmwvVYijfrYEF34jVZcO",
        "{CRYPT}//EsnG9FLTKjo",
        "{CRYPT.hex}2431",
        "{",
        "{}",
        "$gy$j9T$abc$def",
        "$sha1$1000$abc$def",
        "md5$salt$5f4dcc3b5aa765d61d8327deb882cf99",
        "pbkdf2:sha256$salt$5f4dcc3b",
    ] {
        let refused = form_of(text).unwrap_err();
        assert!(refused.contains("none of the forms"), "{text}: {refused}");
    }
    for broken in [
        "$1$salt$MD5isnotone",
        "{SSHA}AAAA",
        "{SSHA}?",
        "$argon2id$",
        "{PBKDF2}$1$",
    ] {
        let refused = form_of(broken).unwrap_err();
        assert!(refused.contains("not a whole hash"), "{broken}: {refused}");
    }
    let spoiled = with("bcrypt", "$2b$", "$2x$");
    assert!(form_of(&spoiled).unwrap_err().contains("`$2x$`"));
}

/// A message names the form, never the hash, and has room for what `Error::new` allows.
#[test]
fn messages_never_have_the_hash() {
    for (form, _, _, hash) in VECTORS {
        let cut = &hash[..hash.len() - 1];
        let Err(message) = form_of(cut) else {
            continue;
        };
        assert!(message.contains(form) || hash.contains('}'), "{message}");
        for part in hash.split(['$', '}', ':']).filter(|part| part.len() > 12) {
            assert!(!message.contains(part), "{message}");
        }
    }
    for form in &FORMS {
        let longest = format!(
            "A log-in with this `{}` hash would take too long ({}); let its user set a new \
             password.",
            form.name, form.limit
        );
        assert!(longest.len() <= 160, "{longest}");
    }
}

#[test]
fn weak_forms() {
    let weak: Vec<&str> = VECTORS
        .iter()
        .filter_map(|(.., hash)| weak_form(hash))
        .collect();
    for (form, _, _, hash) in VECTORS {
        let is_weak = ["md5-crypt", "phpass", "ssha", "ssha256", "ssha512"].contains(&form);
        assert_eq!(weak_form(hash), is_weak.then_some(form), "{hash}");
    }
    assert!(!weak.is_empty());
    // What is in it counts, not what stands before it.
    let crypt = format!("{{CRYPT}}{}", with("md5-crypt", "", ""));
    assert_eq!(weak_form(&crypt), Some("md5-crypt"));
}

/// 17.3: what the schemes do not look at. Django and WordPress hash before bcrypt, so that all of a
/// long password counts; WordPress takes off what stands around it.
#[test]
fn what_is_looked_at() {
    let of = |form: &str| {
        let of_form = |(name, ..): &&(&str, &str, &str, &str)| *name == form;
        Hash::of(VECTORS.iter().find(of_form).unwrap().3).unwrap()
    };
    for (form, of_spaced, of_long) in [
        ("bcrypt", true, false),
        ("django-bcrypt", true, false),
        ("django-bcrypt-sha256", true, true),
        ("wordpress", false, true),
        ("phpass", true, true),
        ("sha512-crypt", true, true),
    ] {
        let hash = of(form);
        assert!(hash.is_of_all(PASSWORD), "{form}");
        assert_eq!(
            hash.is_of_all(&format!(" {PASSWORD}\n")),
            of_spaced,
            "{form}"
        );
        assert_eq!(hash.is_of_all(LONG), of_long, "{form}");
    }
    let spaced = format!("\t{PASSWORD} \r\n");
    assert!(of("wordpress").is_of(spaced.as_bytes()));
    assert!(!of("phpass").is_of(spaced.as_bytes()));
    let long = |form: &str| {
        let of_form =
            |(name, _, password, _): &&(&str, &str, &str, &str)| *name == form && *password == LONG;
        VECTORS.iter().find(of_form).unwrap().3
    };
    let begins = &LONG[..LONG.floor_char_boundary(100)];
    assert!(fits(long("bcrypt"), begins));
    assert!(!fits(long("django-bcrypt-sha256"), begins) && !fits(long("wordpress"), begins));
}

/// The table of `docs/rules.md`.
fn table() -> String {
    let code = |words: &[&str]| {
        let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
        words.join(" ")
    };
    let mut table = "| form | begins with | scheme of Dovecot | work | weak |\n\
                     |---|---|---|---|---|\n"
        .to_owned();
    for Form {
        name,
        begins,
        schemes,
        limit,
        is_weak,
        ..
    } in &FORMS
    {
        let (begins, schemes) = (code(begins), code(schemes));
        let weak = if *is_weak { "weak" } else { "" };
        let row = format!("| `{name}` | {begins} | {schemes} | {limit} | {weak} |");
        // No two spaces where a cell is empty.
        let _ = writeln!(
            table,
            "{}",
            row.replace("|  |", "| |").replace("|  |", "| |")
        );
    }
    table
}

#[test]
fn the_rules_list_the_forms() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/rules.md");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(
        page.contains(&table()),
        "write into docs/rules.md:\n\n{}",
        table()
    );
}
