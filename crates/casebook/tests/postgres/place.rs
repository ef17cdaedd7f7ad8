//! Where the tests' casebooks are: each in a database of its own of the tests' server.

use std::sync::atomic::{AtomicU32, Ordering};

use casebook::Casebook;
use sqlx::{Connection, PgConnection};
use url::Url;

/// Makes an empty casebook.
pub(crate) async fn casebook() -> Casebook {
    Casebook::connect(&database().await).await.unwrap()
}

/// Makes an empty database. Without a server the whole program ends: all of its tests need one.
pub(crate) async fn database() -> Url {
    let Ok(server) = std::env::var("SPIKEWATCH_POSTGRES_URL") else {
        eprintln!("skipped: SPIKEWATCH_POSTGRES_URL names no server, see scripts/test");
        std::process::exit(0);
    };
    static MADE: AtomicU32 = AtomicU32::new(0);
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    let name = format!("casebook_{}_{number}", std::process::id());
    let mut connection = PgConnection::connect(&server).await.unwrap();
    for statement in [
        format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
        format!("CREATE DATABASE {name}"),
    ] {
        let made = sqlx::raw_sql(sqlx::AssertSqlSafe(statement));
        made.execute(&mut connection).await.unwrap();
    }
    let mut url = Url::parse(&server).unwrap();
    url.set_path(&name);
    url
}
