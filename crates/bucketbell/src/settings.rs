//! What the server is to do, from flags, environment, file and defaults, in this order.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::{Context, bail};
use bucketbell_gateway::GatewayConfig;
use bucketbell_rule::Rule;

use crate::{
    cli::ServeArgs,
    config::{Config, DeliveryConfig, Environment, ServerConfig, Span, UpkeepConfig, server_rules},
};

pub const DATA_DIR_DEFAULT: &str = "./bucketbell-data";
pub const S3_LISTEN_DEFAULT: &str = "127.0.0.1:9000";
pub const API_LISTEN_DEFAULT: &str = "127.0.0.1:9001";
const SHUTDOWN_GRACE_DEFAULT: Span = Span::secs(30);
const SHUTDOWN_GRACE_MAX: Span = Span::hours(1);

/// Everything that starting a server needs.
#[derive(Debug)]
pub struct Settings {
    pub data_dir: PathBuf,
    /// The ledger's file. `None`: in the data folder.
    pub ledger: Option<PathBuf>,
    /// The blobs' folder. `None`: in the data folder.
    pub blobs: Option<PathBuf>,
    pub master_key_file: Option<PathBuf>,
    pub s3: Listen,
    pub api: Listen,
    pub gateway: GatewayConfig,
    pub shutdown_grace: Duration,
    pub server_rules: Vec<Rule>,
    pub rules_per_bucket_max: usize,
    pub delivery: DeliveryConfig,
    pub upkeep: UpkeepConfig,
}

/// Where to listen, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// `HOST:PORT`.
    pub address: String,
    /// The flag that changes it, for errors.
    pub flag: &'static str,
    pub tls: Option<TlsFiles>,
}

/// A certificate chain and its private key, PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    pub cert: PathBuf,
    pub key: PathBuf,
}

impl Settings {
    /// Returns the settings that the flags, and through them the environment and the file, ask for.
    ///
    /// # Errors
    ///
    /// What is refused, by the name of the flag or key that says it.
    pub fn resolve(args: ServeArgs, environment: &Environment<'_>) -> anyhow::Result<Self> {
        let config = Config::load(args.config.as_deref(), environment)?;
        let server_rules = server_rules(&config.notifications.endpoints);
        // Endpoints stand in the file and nowhere else.
        let server_rules = match &args.config {
            Some(file) => server_rules.with_context(|| file.display().to_string())?,
            None => server_rules?,
        };
        let Config { server, notifications, delivery, upkeep } = config;
        let grace = args.shutdown_grace.as_deref().map(str::parse).transpose().context("--shutdown-grace")?;
        let grace = grace.or(server.shutdown_grace).unwrap_or(SHUTDOWN_GRACE_DEFAULT);
        if grace.0 > SHUTDOWN_GRACE_MAX.0 {
            bail!("--shutdown-grace must be at most {} s", SHUTDOWN_GRACE_MAX.0.as_secs());
        }
        let ServerConfig { data_dir, s3_listen, api_listen, database, blobs, master_key_file, .. } = server;
        Ok(Self {
            data_dir: path(args.data_dir, data_dir).unwrap_or_else(|| DATA_DIR_DEFAULT.into()),
            ledger: text(args.database, database).as_deref().map(ledger_path).transpose()?,
            blobs: text(args.blobs, blobs).as_deref().map(blobs_path).transpose()?,
            master_key_file: path(args.master_key_file, master_key_file),
            s3: Listen {
                address: address("--s3-listen", text(args.s3_listen, s3_listen), S3_LISTEN_DEFAULT)?,
                flag: "--s3-listen",
                tls: tls("s3", path(args.s3_tls_cert, server.s3_tls_cert), path(args.s3_tls_key, server.s3_tls_key))?,
            },
            api: Listen {
                address: address("--api-listen", text(args.api_listen, api_listen), API_LISTEN_DEFAULT)?,
                flag: "--api-listen",
                tls: tls(
                    "api",
                    path(args.api_tls_cert, server.api_tls_cert),
                    path(args.api_tls_key, server.api_tls_key),
                )?,
            },
            gateway: gateway(text(args.s3_region, server.s3_region), text(args.s3_domain, server.s3_domain)),
            shutdown_grace: grace.0,
            server_rules,
            rules_per_bucket_max: notifications.rules_per_bucket_max,
            delivery,
            upkeep,
        })
    }
}

impl Listen {
    /// Returns the url of a listener that got `bound`.
    pub fn url(&self, bound: SocketAddr) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{bound}")
    }
}

fn gateway(region: Option<String>, domain: Option<String>) -> GatewayConfig {
    let defaults = GatewayConfig::default();
    GatewayConfig { region: region.unwrap_or(defaults.region), domain, ..GatewayConfig::default() }
}

fn text(flag: Option<String>, file: Option<String>) -> Option<String> {
    flag.filter(|text| !text.is_empty()).or(file)
}

fn path(flag: Option<PathBuf>, file: Option<String>) -> Option<PathBuf> {
    flag.filter(|path| !path.as_os_str().is_empty()).or_else(|| file.map(PathBuf::from))
}

fn address(flag: &str, given: Option<String>, default: &str) -> anyhow::Result<String> {
    let address = given.unwrap_or_else(|| default.to_owned());
    let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port.parse::<u16>());
    if !matches!(port, Some(Ok(_))) {
        bail!("{flag} is `{address}`: give HOST:PORT, such as {default}, or 0.0.0.0:9000 for every interface");
    }
    Ok(address)
}

fn tls(name: &str, cert: Option<PathBuf>, key: Option<PathBuf>) -> anyhow::Result<Option<TlsFiles>> {
    match (cert, key) {
        (Some(cert), Some(key)) => Ok(Some(TlsFiles { cert, key })),
        (None, None) => Ok(None),
        (Some(_), None) => bail!("--{name}-tls-cert is given without --{name}-tls-key"),
        (None, Some(_)) => bail!("--{name}-tls-key is given without --{name}-tls-cert"),
    }
}

/// The url itself is never shown: that of another database may hold a password.
fn ledger_path(url: &str) -> anyhow::Result<PathBuf> {
    let (scheme, rest) = url.split_once(':').unwrap_or_default();
    match scheme {
        "sqlite" if rest.trim_start_matches('/').is_empty() => bail!("--database: give the file, as in sqlite:PATH"),
        // `sqlite:///abs` is how other programs write an absolute path.
        "sqlite" => Ok(PathBuf::from(rest.strip_prefix("//").unwrap_or(rest))),
        "postgres" | "postgresql" => {
            bail!("--database: PostgreSQL is not supported yet: leave it out, or give sqlite:PATH")
        }
        _ => bail!("--database is not a url that is understood: give sqlite:PATH"),
    }
}

fn blobs_path(url: &str) -> anyhow::Result<PathBuf> {
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    match scheme {
        "file" if rest.starts_with('/') => Ok(PathBuf::from(rest)),
        "file" => bail!("--blobs: give an absolute path, as in file:///var/lib/bucketbell/blobs"),
        "s3" => bail!("--blobs: remote stores are not supported yet: leave it out, or give file:///DIR"),
        _ => bail!("--blobs is not a url that is understood: give file:///DIR"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(args: ServeArgs) -> anyhow::Result<Settings> {
        Settings::resolve(args, &Environment(&|_| None))
    }

    fn refused(change: impl FnOnce(&mut ServeArgs)) -> String {
        let mut args = ServeArgs::default();
        change(&mut args);
        format!("{:#}", resolve(args).expect_err("must be refused"))
    }

    #[test]
    fn without_anything_it_is_the_contract() {
        let settings = resolve(ServeArgs::default()).unwrap();
        assert_eq!(settings.data_dir, PathBuf::from("./bucketbell-data"));
        assert_eq!((settings.s3.address.as_str(), settings.api.address.as_str()), ("127.0.0.1:9000", "127.0.0.1:9001"));
        assert_eq!(settings.shutdown_grace, Duration::from_secs(30));
        assert!(settings.server_rules.is_empty() && settings.ledger.is_none() && settings.blobs.is_none());
    }

    #[test]
    fn a_flag_wins_over_the_file_and_the_file_over_the_default() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("c.yaml");
        std::fs::write(&file, "server: {s3_listen: '${HOST}:1', api_listen: 'b:2'}\nupkeep: {history: 1d}\n").unwrap();
        let args = ServeArgs { config: Some(file), api_listen: Some("c:3".to_owned()), ..ServeArgs::default() };
        let variables = |name: &str| match name {
            "HOST" => Some("a".to_owned()),
            "BUCKETBELL_UPKEEP_HISTORY" => Some("2d".to_owned()),
            _ => None,
        };
        let settings = Settings::resolve(args, &Environment(&variables)).unwrap();
        assert_eq!((settings.s3.address.as_str(), settings.api.address.as_str()), ("a:1", "c:3"));
        assert_eq!(settings.upkeep.history, Span::days(2));
    }

    #[test]
    fn what_is_refused_is_named_and_its_secrets_are_not_shown() {
        for url in ["postgres://u:hunter2@h/db", "mysql://u:hunter2@h/db", "sqlite:", "hunter2"] {
            let error = refused(|args| args.database = Some(url.to_owned()));
            assert!(error.contains("--database") && !error.contains("hunter2"), "{error}");
        }
        for url in ["s3://b", "file://rel", "/dir"] {
            assert!(refused(|args| args.blobs = Some(url.to_owned())).contains("--blobs"));
        }
        for address in ["9000", ":9000", "a:b", "a:70000"] {
            assert!(refused(|args| args.s3_listen = Some(address.to_owned())).contains("--s3-listen"), "{address}");
        }
        assert!(refused(|args| args.s3_tls_cert = Some("c".into())).contains("--s3-tls-key"));
        assert!(refused(|args| args.shutdown_grace = Some("x".into())).contains("--shutdown-grace"));
    }

    #[test]
    fn sqlite_urls_are_paths() {
        for (url, path) in [("sqlite:a/b.db", "a/b.db"), ("sqlite:/a.db", "/a.db"), ("sqlite:///a.db", "/a.db")] {
            assert_eq!(ledger_path(url).unwrap(), PathBuf::from(path), "{url}");
        }
    }
}
