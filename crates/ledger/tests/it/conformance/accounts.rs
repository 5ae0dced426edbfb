//! Who may use the store (X14).

use bucketbell_ledger::{AdminCredentials, Role, TokenHash};
use bucketbell_rule::Secret;

use crate::{
    fixture::{House, admin},
    store::Store,
};

pub async fn putting_the_admin_replaces_its_credentials(store: &impl Store) {
    let ledger = store.open().await;
    assert!(!ledger.has_admin().await.expect("a read"), "before the first start has finished");
    let made = ledger.put_admin(admin()).await.expect("an admin");
    assert_eq!((made.name.as_str(), made.role), ("admin", Role::Admin));
    assert!(ledger.has_admin().await.expect("a read"));
    ledger.close().await;
    let ledger = store.open().await;
    assert_eq!(ledger.account_by_token(TokenHash([7; 32])).await.expect("a read"), Some(made.clone()));
    let key = ledger.access_key("AKIAADMIN").await.expect("a read").expect("the admin's key");
    assert_eq!((&key.account, key.secret_key.expose()), (&made, "the admin's secret key"));

    let rotated = AdminCredentials {
        token: TokenHash([8; 32]),
        access_key: "AKIANEW".to_owned(),
        secret_key: Secret::new("another"),
    };
    assert_eq!(ledger.put_admin(rotated).await.expect("an admin"), made, "the same account");
    assert_eq!(ledger.account_by_token(TokenHash([7; 32])).await.expect("a read"), None);
    assert!(ledger.access_key("AKIAADMIN").await.expect("a read").is_none());
    assert_eq!(ledger.account_by_token(TokenHash([8; 32])).await.expect("a read"), Some(made));
    assert_eq!(ledger.access_key("AKIANEW").await.expect("a read").expect("a key").secret_key.expose(), "another");
    ledger.close().await;
}

pub async fn unknown_credentials_belong_to_nobody(store: &impl Store) {
    let house = House::open(store).await;
    for key in ["", "akiaadmin", "AKIAADMIN ", "' OR 1=1 --"] {
        assert!(house.ledger.access_key(key).await.expect("a read").is_none(), "{key}");
    }
    assert_eq!(house.ledger.account_by_token(TokenHash([0; 32])).await.expect("a read"), None);
}
