//! What the stores of the tests hand on to another store as it is.

/// Methods of a `Backend` that only call the same method of the store in the field in brackets.
macro_rules! delegated {
    ($store:tt: $($method:ident),+) => {
        $(delegated! { @$method $store })+
    };
    (@sync ($($store:tt)+)) => {
        fn sync(&self, commit: u64) -> Result<(), tenantry_store::StoreError> {
            self.$($store)+.sync(commit)
        }
    };
    (@last_commit ($($store:tt)+)) => {
        fn last_commit(&self) -> u64 {
            self.$($store)+.last_commit()
        }
    };
    (@store_id ($($store:tt)+)) => {
        fn store_id(&self) -> String {
            self.$($store)+.store_id()
        }
    };
    (@verify ($($store:tt)+)) => {
        fn verify(&self) -> Result<tenantry_store::Verification, tenantry_store::StoreError> {
            self.$($store)+.verify()
        }
    };
    (@close ($($store:tt)+)) => {
        fn close(&self) -> Result<(), tenantry_store::StoreError> {
            self.$($store)+.close()
        }
    };
    (@abandon ($($store:tt)+)) => {
        fn abandon(&self) {
            self.$($store)+.abandon();
        }
    };
}

pub(super) use delegated;
