//! What pruning makes dead letters of is counted and audited (B10).

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use bucketbell_ledger::{
    AdminCredentials, Change, ChangeKind, Content, ContentHeaders, Ledger, MasterKey, PruneLimits, PutObject,
    SystemClock, TokenHash, WritePrecondition,
    sqlite::{Config, SqliteLedger},
};
use bucketbell_rule::{Draft, Rule, RuleId, Scope, Secret};
use bucketbell_upkeep::Pruner;
use metrics_exporter_prometheus::PrometheusBuilder;
use tracing_subscriber::fmt::MakeWriter;

/// What was logged.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn audit(&self) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().filter(|line| line.contains(" audit: ")).map(str::to_owned).collect()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn rule(number: u8, name: Option<&str>) -> Rule {
    let draft = Draft {
        url: format!("https://receiver-{number}.example/hook?token=hunter2"),
        events: vec!["*".to_owned()],
        name: name.map(str::to_owned),
        ..Draft::default()
    };
    draft.validate(RuleId::from_bytes([number; 16]), None).unwrap()
}

async fn put(ledger: &dyn Ledger, key: &str) {
    let put = PutObject {
        bucket: "photos".to_owned(),
        key: key.to_owned(),
        precondition: WritePrecondition::None,
        content: Content::Inline("hello".into()),
        size: 5,
        etag: "5d41402abc4b2a76b9719d911017c592".to_owned(),
        content_type: None,
        headers: ContentHeaders::default(),
        metadata: Default::default(),
        checksum: None,
    };
    ledger.commit(Change { origin: Default::default(), kind: ChangeKind::PutObject(put) }).await.unwrap();
}

/// What a removed rule was owed once died without a metric and without a line.
#[tokio::test]
async fn deliveries_of_removed_rules_are_counted_and_audited_by_rule() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(lines.clone()).finish();
    let _logging = tracing::subscriber::set_default(subscriber);

    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        path: folder.path().join("ledger.db"),
        master_key: MasterKey::new([1; 32]),
        clock: Arc::new(SystemClock),
    };
    let ledger: Arc<dyn Ledger> = Arc::new(SqliteLedger::open(config).unwrap());
    let admin = AdminCredentials {
        token: TokenHash([1; 32]),
        access_key: "AKIA".to_owned(),
        secret_key: Secret::new("secret"),
    };
    let owner = ledger.put_admin(admin).await.unwrap().id;
    let kind = ChangeKind::CreateBucket { name: "photos".to_owned(), owner };
    ledger.commit(Change { origin: Default::default(), kind }).await.unwrap();
    ledger.put_rules(&Scope::Server, vec![rule(1, None), rule(2, Some("thumbnails"))], None).await.unwrap();
    for key in ["a", "b", "c"] {
        put(ledger.as_ref(), key).await;
    }
    ledger.put_rules(&Scope::Server, vec![], None).await.unwrap();

    let week = Duration::from_secs(7 * 86_400);
    let limits = PruneLimits { history: week, history_bytes_max: u64::MAX, dead: week, rows_max: 100 };
    Pruner { ledger: Arc::clone(&ledger), limits }.round().await.unwrap();
    let page = metrics.render();
    for (number, label) in [(1, "https://receiver-1.example"), (2, "thumbnails")] {
        let id = RuleId::from_bytes([number; 16]);
        let sample = format!(
            "bucketbell_notifications_dropped_total{{endpoint=\"{id}\",host=\"receiver-{number}.example:443\",reason=\"rule_removed\"}} 3\n"
        );
        assert!(page.contains(&sample), "B12: {page}");
        let told: Vec<_> = lines.audit().into_iter().filter(|line| line.contains(&id.to_string())).collect();
        assert_eq!(told.len(), 1, "one line for each rule: {told:?}");
        for word in ["WARN", "rule_removed", "count=3", label] {
            assert!(told[0].contains(word), "B10: `{word}` is not in {}", told[0]);
        }
        assert!(!told[0].contains("hunter2") && !page.contains("hunter2"), "Y6");
    }
    ledger.close().await;
}
