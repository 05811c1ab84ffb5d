//! A TCP proxy in front of PostgreSQL that a test can cut, with a reset or silently.

use std::{path::PathBuf, str::FromStr, sync::Arc};

use socket2::SockRef;
use sqlx::postgres::PgConnectOptions;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream, UnixStream},
    sync::watch,
    task::JoinHandle,
};

use super::Database;

/// Listens in place of the server and forwards everything.
pub(crate) struct Wire {
    /// The database behind it.
    pub(crate) url: String,
    way: Arc<watch::Sender<Way>>,
    listening: JoinHandle<()>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Open,
    /// Connections are reset, and so are new ones.
    Reset,
    /// Connections stay open, and what is sent on them is lost.
    Swallow,
}

impl Wire {
    pub(crate) async fn to(database: &Database) -> Self {
        let options = PgConnectOptions::from_str(&database.url).unwrap();
        let server = options
            .get_socket()
            .map_or_else(|| PathBuf::from(options.get_host()), Clone::clone);
        let server = server.join(format!(".s.PGSQL.{}", options.get_port()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!(
            "postgres://{}@{}/{}?sslmode=disable",
            options.get_username(),
            listener.local_addr().unwrap(),
            options.get_database().unwrap(),
        );
        let way = Arc::new(watch::Sender::new(Way::Open));
        let ways = way.clone();
        let listening = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                tokio::spawn(carry(client, server.clone(), ways.subscribe()));
            }
        });
        Self {
            url,
            way,
            listening,
        }
    }

    pub(crate) fn set(&self, way: Way) {
        self.way.send_replace(way);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn carry(mut client: TcpStream, server: PathBuf, mut ways: watch::Receiver<Way>) {
    let way = *ways.borrow_and_update();
    if way == Way::Open {
        let mut server = UnixStream::connect(server).await.unwrap();
        tokio::select! {
            _ = copy_bidirectional(&mut client, &mut server) => return,
            _ = ways.changed() => {}
        }
    }
    let way = *ways.borrow_and_update();
    if way == Way::Swallow {
        // What was lost stays lost, also when the connection is forwarded again.
        std::future::pending::<()>().await;
    }
    let _ = SockRef::from(&client).set_linger(Some(std::time::Duration::ZERO));
}
