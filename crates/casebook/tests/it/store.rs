//! The file: its mode, several writers, a crash and a reopening.

use casebook::{AlertFilter, Casebook, Error};
use model::{Alert, Severity};
use sqlx::Connection;
use tempfile::TempDir;

use crate::maker::{alert, channels, hour};

fn flood(account: &str) -> Vec<Alert> {
    (0..20)
        .map(|key| alert(account, &format!("key_{key}"), Severity::High, hour(0)))
        .collect()
}

#[cfg(unix)]
#[tokio::test]
async fn the_files_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("casebook.db");
    std::fs::write(&path, b"").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let casebook = Casebook::open(&path).await.unwrap();
    casebook.set_meta("a", "b").await.unwrap();
    let mut names = Vec::new();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        names.push(file.file_name().into_string().unwrap());
        assert_eq!(mode, 0o600, "{names:?}");
    }
    names.sort();
    assert_eq!(names, ["casebook.db", "casebook.db-shm", "casebook.db-wal"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_connections_write_without_losing_anything() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("casebook.db");
    let (one, two) = tokio::join!(Casebook::open(&path), Casebook::open(&path));
    let (one, two) = (one.unwrap(), two.unwrap());
    let write = |casebook: Casebook, account: &'static str| {
        tokio::spawn(async move {
            for alert in flood(account) {
                casebook
                    .record_alerts(&[alert], &channels(&["slack"]))
                    .await
                    .unwrap();
            }
        })
    };
    // Both also record the same account, as two owners of one partition would for a moment.
    let tasks = [
        write(one.clone(), "acme"),
        write(two.clone(), "globex"),
        write(one.clone(), "shared"),
        write(two.clone(), "shared"),
    ];
    for task in tasks {
        task.await.unwrap();
    }
    for casebook in [one, two] {
        assert_eq!(casebook.incidents(10).await.unwrap().len(), 3);
        let alerts = casebook.alerts(AlertFilter::default()).await.unwrap();
        assert_eq!(alerts.len(), 60);
        assert_eq!(casebook.outbox_counts().await.unwrap().pending, 3);
    }
}

#[tokio::test]
async fn what_was_committed_survives_a_crash_and_what_was_not_leaves_no_trace() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("casebook.db");
    let names = channels(&["slack"]);
    let casebook = Casebook::open(&path).await.unwrap();
    casebook
        .record_alerts(&flood("acme"), &names)
        .await
        .unwrap();
    let entry = casebook.due_notices(hour(1), 1).await.unwrap().remove(0);
    assert!(casebook.attempt_started(&entry, hour(1)).await.unwrap());
    // The next recording is dropped at its first wait that is not ready, in mid-transaction.
    let unfinished = flood("globex");
    let abandoned = tokio::time::timeout(
        std::time::Duration::from_millis(2),
        casebook.record_alerts(&unfinished, &names),
    )
    .await;
    // A copy of the files as they lie is what a crash leaves behind.
    let crashed = TempDir::new().unwrap();
    for name in ["casebook.db", "casebook.db-wal"] {
        std::fs::copy(folder.path().join(name), crashed.path().join(name)).unwrap();
    }
    drop(casebook);

    let reopened = Casebook::open(&crashed.path().join("casebook.db"))
        .await
        .unwrap();
    // Abandoned while it waited for the commit, it may be there, but then whole.
    let incidents = reopened.incidents(10).await.unwrap();
    assert!(incidents.len() == 2 || (incidents.len() == 1 && abandoned.is_err()));
    assert!(incidents.iter().all(|incident| incident.keys == 20));
    let due = reopened.due_notices(hour(1), 10).await.unwrap();
    let again = due
        .iter()
        .find(|due| due.incident_id == entry.incident_id)
        .unwrap();
    assert_eq!(again.attempts, 1);
    assert_eq!(again.idempotency_key, entry.idempotency_key);
    let replay = reopened
        .record_alerts(&flood("acme"), &names)
        .await
        .unwrap();
    assert_eq!((replay.unchanged, replay.notices), (20, 0));
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("casebook.db");
    Casebook::open(&path).await.unwrap().close().await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
    let mut future = sqlx::SqliteConnection::connect_with(&options)
        .await
        .unwrap();
    sqlx::raw_sql("PRAGMA user_version = 99")
        .execute(&mut future)
        .await
        .unwrap();
    let refused = Casebook::open(&path).await.unwrap_err();
    assert!(
        matches!(refused, Error::Newer { found: 99, .. }),
        "{refused}"
    );
    assert!(!refused.is_transient());
}

#[tokio::test]
async fn a_file_of_the_third_version_goes_on_with_all_that_it_has() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("casebook.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true);
    let mut old = sqlx::SqliteConnection::connect_with(&options)
        .await
        .unwrap();
    let stored = Alert {
        stored_with: vec!["storehouse".into(), "keybarn".into(), "storehouse".into()],
        incident_id: model::IncidentId::from_text("inc_old"),
        ..alert("acme", "key_1", Severity::High, hour(0))
    };
    let id = stored.alert_id.to_string();
    let body = serde_json::to_string(&stored).unwrap();
    let rows = "
        INSERT INTO incidents VALUES ('inc_old', 'acme', 'open', 3, 0, 0, 1, 0, 0.0);
        INSERT INTO dead_letters VALUES ('usage', 0, 9, 'json', 'first', NULL, 'x', 1);
        INSERT INTO dead_letters VALUES ('usage', 0, 4, 'json', 'then', NULL, 'y', 1);
        INSERT INTO standings VALUES ('openai', 'acme', 'key_1', '\"judged\"');
        INSERT INTO audit VALUES (1, 0, 'somebody', 'noted', 'key_1', '{}', 'not checked here');";
    for sql in [
        include_str!("../../migrations/sqlite/0001_initial.sql"),
        include_str!("../../migrations/sqlite/0002_standings.sql"),
        include_str!("../../migrations/sqlite/0003_key_feeds.sql"),
        rows,
    ] {
        sqlx::raw_sql(sql).execute(&mut old).await.unwrap();
    }
    sqlx::query("INSERT INTO alerts VALUES (?, 0, 'inc_old', 'openai', 'acme', 'key_1', 3, 80, 0, 0, 0, 0, 0, ?)")
        .bind(&id)
        .bind(&body)
        .execute(&mut old)
        .await
        .unwrap();
    sqlx::query("INSERT INTO outbox (incident_id, channel, sequence, idempotency_key, raised_at) VALUES ('inc_old', 'slack', 0, ?, 0)")
        .bind(&id)
        .execute(&mut old)
        .await
        .unwrap();
    old.close().await.unwrap();

    let casebook = Casebook::open(&path).await.unwrap();
    let alerts = casebook.alerts(AlertFilter::default()).await.unwrap();
    assert_eq!(alerts, [stored]);
    let offsets: Vec<i64> = casebook
        .dead_letters(10)
        .await
        .unwrap()
        .iter()
        .map(|letter| letter.position.offset)
        .collect();
    assert_eq!(offsets, [4, 9], "the newest first, as they came");
    let links = casebook
        .links(&model::IncidentId::from_text("inc_old"))
        .await
        .unwrap();
    assert_eq!(links.shared_vendors, ["keybarn", "storehouse"]);
    let standings: Vec<(model::Entity, String)> = casebook.standings(10).await.unwrap();
    assert_eq!(standings[0].1, "judged");
    assert_eq!(casebook.audit(10).await.unwrap().len(), 1);
    assert_eq!(casebook.due_notices(hour(1), 10).await.unwrap().len(), 1);
    // It is written as a new one is.
    casebook
        .record_alerts(&flood("globex"), &channels(&["slack"]))
        .await
        .unwrap();
    assert_eq!(casebook.incidents(10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_named() {
    let refused = Casebook::open(std::path::Path::new("/no/such/folder/casebook.db"))
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("/no/such/folder/casebook.db"));
    assert!(std::error::Error::source(&refused).is_some());
}
