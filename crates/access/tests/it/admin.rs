//! The admin's credentials, from the first start on.

use std::{io, sync::Arc};

use bucketbell_access::{
    Accounts, AdminFromEnv, BootstrapError, Bootstrapped, ENTROPY_BYTES, Keeper, PlainCredentials, bootstrap_admin,
};
use bucketbell_ledger::{
    Ledger, MasterKey, Role, SystemClock,
    sqlite::{Config, SqliteLedger},
};
use bucketbell_rule::Secret;
use tempfile::TempDir;

struct House {
    ledger: Arc<dyn Ledger>,
    _folder: TempDir,
}

fn house() -> House {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let config = Config { path, master_key: MasterKey::new([1; 32]), clock: Arc::new(SystemClock) };
    House { ledger: Arc::new(SqliteLedger::open(config).unwrap()), _folder: folder }
}

/// A file in memory.
#[derive(Debug, Default)]
struct Paper {
    kept: Option<PlainCredentials>,
    set_aside: bool,
    full: bool,
}

impl Keeper for Paper {
    fn keep(&mut self, credentials: &PlainCredentials) -> io::Result<()> {
        if self.full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.kept = Some(credentials.clone());
        Ok(())
    }

    fn set_aside(&mut self) -> io::Result<()> {
        self.set_aside = true;
        Ok(())
    }
}

impl House {
    /// Starts with these; returns what came of it and what was written down.
    async fn start(
        &self,
        env: AdminFromEnv,
        written_down: Option<PlainCredentials>,
        seed: u8,
    ) -> (Result<Bootstrapped, BootstrapError>, Option<PlainCredentials>) {
        let (made, paper) = self.start_on(env, written_down, seed).await;
        (made, paper.kept)
    }

    async fn start_on(
        &self,
        env: AdminFromEnv,
        written_down: Option<PlainCredentials>,
        seed: u8,
    ) -> (Result<Bootstrapped, BootstrapError>, Paper) {
        let mut paper = Paper::default();
        let made = bootstrap_admin(self.ledger.as_ref(), env, written_down, &[seed; ENTROPY_BYTES], &mut paper).await;
        (made, paper)
    }

    async fn knows(&self, credentials: &PlainCredentials) -> bool {
        let accounts = Accounts::new(Arc::clone(&self.ledger));
        let token = accounts.by_token(credentials.token.expose()).await.unwrap();
        let key = accounts.access_key(&credentials.access_key).await.unwrap();
        let both = token.is_some() && key.as_ref().is_some_and(|key| key.secret_key == credentials.secret_key);
        assert_eq!(both, token.is_some() || key.is_some(), "all of them or none");
        both && token.is_some_and(|account| account.role == Role::Admin)
    }
}

fn given() -> AdminFromEnv {
    AdminFromEnv {
        token: Some(Secret::new("given-token")),
        access_key: Some("GIVENKEY".to_owned()),
        secret_key: Some(Secret::new("given-secret")),
    }
}

#[tokio::test]
async fn the_first_start_makes_credentials_and_later_ones_keep_them() {
    let house = house();
    let (made, kept) = house.start(AdminFromEnv::default(), None, 1).await;
    let credentials = kept.expect("written down");
    assert_eq!(made.unwrap(), Bootstrapped::Made(credentials.clone()));
    assert!(house.knows(&credentials).await);
    let (again, written) = house.start(AdminFromEnv::default(), Some(credentials.clone()), 2).await;
    assert_eq!((again.unwrap(), written), (Bootstrapped::Kept, None));
    assert!(house.knows(&credentials).await);
}

#[tokio::test]
async fn given_credentials_win_at_every_start_and_are_not_written_down() {
    let house = house();
    let (_, kept) = house.start(AdminFromEnv::default(), None, 1).await;
    let old = kept.expect("written down");
    let (made, paper) = house.start_on(given(), Some(old.clone()), 2).await;
    let Bootstrapped::Given(new) = made.unwrap() else { panic!("they were given") };
    assert!(paper.kept.is_none() && paper.set_aside, "the earlier ones are kept, elsewhere");
    assert!(house.knows(&new).await && !house.knows(&old).await, "these and no others");
}

/// Guards against the file's loss when its own lines, sourced into a shell, came back by the environment.
#[tokio::test]
async fn given_credentials_that_are_those_written_down_change_nothing() {
    let house = house();
    let (_, kept) = house.start(AdminFromEnv::default(), None, 1).await;
    let kept = kept.expect("written down");
    let all = AdminFromEnv {
        token: Some(kept.token.clone()),
        access_key: Some(kept.access_key.clone()),
        secret_key: Some(kept.secret_key.clone()),
    };
    let some = AdminFromEnv { token: None, ..all.clone() };
    for (env, wanted) in [(all, Bootstrapped::Given(kept.clone())), (some, Bootstrapped::Made(kept.clone()))] {
        let (made, paper) = house.start_on(env, Some(kept.clone()), 2).await;
        assert_eq!(made.unwrap(), wanted);
        assert!(paper.kept.is_none() && !paper.set_aside);
        assert!(house.knows(&kept).await);
    }
}

#[tokio::test]
async fn a_given_part_replaces_that_part_only() {
    let house = house();
    let (_, kept) = house.start(AdminFromEnv::default(), None, 1).await;
    let old = kept.expect("written down");
    let env = AdminFromEnv { token: Some(Secret::new("given-token")), ..AdminFromEnv::default() };
    let (made, kept) = house.start(env.clone(), Some(old.clone()), 2).await;
    let new = PlainCredentials { token: Secret::new("given-token"), ..old };
    assert_eq!((made.unwrap(), kept.as_ref()), (Bootstrapped::Made(new.clone()), Some(&new)));
    assert!(house.knows(&new).await);
    let (refused, _) = house.start(env, None, 3).await;
    let error = refused.expect_err("the other parts are known to nobody").to_string();
    assert!(error.contains("BUCKETBELL_ADMIN_ACCESS_KEY and BUCKETBELL_ADMIN_SECRET_KEY"), "{error}");
}

/// A crash after the file was written and before the ledger had it: the file is what its owner has read.
#[tokio::test]
async fn what_was_written_down_before_a_crash_is_taken_up() {
    let house = house();
    let written = PlainCredentials::generate(&[9; ENTROPY_BYTES]);
    let (made, _) = house.start(AdminFromEnv::default(), Some(written.clone()), 1).await;
    assert_eq!(made.unwrap(), Bootstrapped::Made(written.clone()));
    assert!(house.knows(&written).await);
}

#[tokio::test]
async fn refused_credentials_and_a_full_disk_leave_the_admin_as_it_was() {
    let house = house();
    let env = AdminFromEnv { access_key: Some("a b".to_owned()), ..given() };
    assert_eq!(env.check().map_err(|error| error.what), Err("access key"));
    assert_eq!((given().check(), AdminFromEnv::default().check()), (Ok(()), Ok(())));
    assert!(
        matches!(house.start(env, None, 1).await.0, Err(BootstrapError::Refused(error)) if error.what == "access key")
    );
    let mut full = Paper { full: true, ..Paper::default() };
    let none = AdminFromEnv::default();
    let made = bootstrap_admin(house.ledger.as_ref(), none, None, &[1; ENTROPY_BYTES], &mut full).await;
    assert!(matches!(made, Err(BootstrapError::Keep(_))));
    assert!(!house.ledger.has_admin().await.unwrap());
}

#[tokio::test]
async fn a_replaced_key_is_forgotten_when_told_to() {
    let house = house();
    let (_, kept) = house.start(AdminFromEnv::default(), None, 1).await;
    let old = kept.expect("written down");
    let accounts = Accounts::new(Arc::clone(&house.ledger));
    assert!(accounts.access_key(&old.access_key).await.unwrap().is_some());
    house.start(given(), None, 2).await.0.unwrap();
    assert!(accounts.access_key(&old.access_key).await.unwrap().is_some(), "believed for a few seconds");
    accounts.forget_recent();
    assert!(accounts.access_key(&old.access_key).await.unwrap().is_none());
    assert!(accounts.access_key("nobody").await.unwrap().is_none());
    assert!(accounts.by_token("nobody").await.unwrap().is_none());
}
