//! P14 (N14): a library that is older than the one that wrote a store loses no field of its
//! records. The newer library is this one, told that it knows one level more: what it leaves is the
//! store that a later release will leave.

use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use tenantry::{Code, Tenantry};
use tenantry_cluster::Cluster;
use tenantry_store::{At, Backend, Batch, LEVEL, Options};
use tenantry_tests::crash::{Kept, Scratch, call};

/// Opens it as a library would that knows so many levels more.
fn open_newer(store: &Path, more: u32) -> Box<dyn Backend> {
    let options = Options {
        level: LEVEL + more,
        ..Options::default()
    };
    tenantry_store::open(&At::new(store), &options).unwrap()
}

/// Opens it as this library does; in a database with a key, for there is no file of it.
fn open(store: &Path) -> Result<Tenantry, tenantry::Error> {
    let options = match store.starts_with("postgresql:") {
        true => json!({"token_key": "3b".repeat(32), "poll_ms": 50, "stale_ms": 1000}),
        false => json!({}),
    };
    Tenantry::open_json(store, options.to_string().as_bytes())
}

/// A store of this library, in which there is one account.
fn furnished(store: &Path) -> Tenantry {
    let opened = open(store).unwrap();
    let owner = json!({"user": "ann", "email": "ann@acme.example"});
    let account = json!({"id": "acme", "name": "Acme", "owner": owner});
    call(&opened, "accounts.create", &account).unwrap();
    opened
}

/// Adds a field to the record of the account, as a newer library would, and answers its bytes.
fn with_new_field(newer: &dyn Backend) -> Vec<u8> {
    let key = b"ac\0acme";
    let record = newer.get(key).unwrap().expect("the account");
    let mut value: serde_json::Value = serde_json::from_slice(&record.value).unwrap();
    value["of_a_later_release"] = json!({"may": "not be lost"});
    let value = value.to_string().into_bytes();
    let batch = Batch {
        writes: vec![(key.to_vec(), Some(value.clone()))],
        ..Batch::default()
    };
    newer.sync(newer.commit(&batch).unwrap()).unwrap();
    value
}

fn refused(error: &tenantry::Error) {
    assert_eq!(error.code(), Code::StoreLevel, "{error}");
    let levels = (&error.details()["level"], &error.details()["known"]);
    assert_eq!(levels, (&json!(LEVEL + 1), &json!(LEVEL)));
}

fn files_in(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files_in(&path)),
            false => drop(found.insert(path.clone(), fs::read(&path).unwrap())),
        }
    }
    found
}

/// In a folder and in a file: this library does not open what a newer one has left, and changes no
/// byte of it; the newer one finds its field as it was.
#[test]
fn a_store_of_a_newer_level_is_refused_and_left_as_it_is() {
    for kept in [Kept::Sled, Kept::Sqlite] {
        let scratch = Scratch::new("levels");
        let folder = scratch.at("store");
        let store = kept.named(&folder);
        let first = furnished(&store);
        let info = call(&first, "store.info", &json!({})).unwrap();
        assert_eq!(info["level"], LEVEL);
        first.close().unwrap();
        let newer = open_newer(&store, 1);
        assert_eq!(newer.level(), LEVEL + 1);
        let value = with_new_field(&*newer);
        newer.close().unwrap();
        drop(newer);
        let before = files_in(&folder);
        for _ in 0..2 {
            refused(&open(&store).err().unwrap());
        }
        let after = files_in(&folder);
        // Who has the folder locked is told in a file.
        let is_data = |path: &&PathBuf| !path.to_string_lossy().ends_with("lock");
        for path in before.keys().filter(is_data) {
            let is_same = before.get(path) == after.get(path);
            assert!(is_same, "{kept:?}: {}", path.display());
        }
        let newest = open_newer(&store, 2);
        assert_eq!(newest.level(), LEVEL + 2);
        assert_eq!(newest.get(b"ac\0acme").unwrap().unwrap().value, value);
        newest.close().unwrap();
    }
}

/// In a database: as long as this library has the store open, a newer one leaves the level as it
/// is, and both work. When it has gone the level rises. A process of this library that was taken
/// for gone, and was not, is refused.
#[test]
fn in_postgresql_the_level_rises_when_the_older_one_has_gone() {
    let cluster = Cluster::shared();
    let schema = cluster.new_schema();
    let address = PathBuf::from(cluster.address_of(&schema));
    let older = furnished(&address);
    let newer = open_newer(&address, 1);
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!(newer.level(), LEVEL);
    let rename = json!({"account": "acme", "name": "Acme & Co"});
    call(&older, "accounts.edit", &rename).unwrap();
    older.close().unwrap();
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while newer.level() == LEVEL {
        assert!(std::time::Instant::now() < until, "the level never rises");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(newer.level(), LEVEL + 1);
    with_new_field(&*newer);
    refused(&open(&address).err().unwrap());
    newer.close().unwrap();
}

/// In a database: the level rises though this library has the store open. It writes nothing more,
/// and answers nothing that it would have to read.
#[test]
fn a_process_that_the_level_has_left_behind_writes_nothing() {
    let cluster = Cluster::shared();
    let schema = cluster.new_schema();
    let address = PathBuf::from(cluster.address_of(&schema));
    let older = furnished(&address);
    let level = LEVEL + 1;
    cluster.sql(&format!("UPDATE {schema}.head SET level = {level}"));
    let newer = open_newer(&address, 1);
    let value = with_new_field(&*newer);
    for (operation, request) in [
        ("accounts.edit", json!({"account": "acme", "name": "Lost"})),
        ("accounts.get", json!({"account": "acme"})),
        ("accounts.edit", json!({"account": "acme", "name": "Lost"})),
    ] {
        let request = request.to_string();
        let asked = older.call_json(b"", operation.as_bytes(), request.as_bytes());
        refused(&asked.unwrap_err());
    }
    // It could not write down what time it was, and is closed.
    refused(&older.close().unwrap_err());
    assert_eq!(newer.get(b"ac\0acme").unwrap().unwrap().value, value);
    newer.close().unwrap();
}
