//! https: the receiver must prove its name.

use std::{net::SocketAddr, sync::Arc};

use bucketbell_guard::{Client, ClientConfig, ClientError, Reach, SendError};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer},
};

use crate::server::{LONG, OK, client, destination, post_to};

/// Serves https under a certificate for `name`, and returns the address and the certificate.
async fn https(name: &str) -> (SocketAddr, String) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed([name.to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the versions of the provider")
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .expect("the key is the certificate's");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                // A whole request of these tests fits one record.
                while matches!(stream.read(&mut [0; 4096]).await, Ok(1..)) && stream.write_all(OK).await.is_ok() {}
            });
        }
    });
    (address, cert.pem())
}

fn trusting(pem: String) -> Result<Client, ClientError> {
    Client::new(ClientConfig { extra_roots_pem: Some(pem.into_bytes()), ..ClientConfig::default() })
}

#[tokio::test]
async fn a_receiver_under_a_trusted_root_is_posted_to() {
    let (address, pem) = https("127.0.0.1").await;
    let client = trusting(pem).unwrap();
    let destination = destination(&format!("https://{address}/"));
    for _ in 0..3 {
        let answer = post_to(&client, &destination, LONG, Reach::Vouched).await.unwrap();
        assert_eq!((answer.status, &answer.excerpt[..]), (200, &b"ok"[..]));
    }
}

#[tokio::test]
async fn a_receiver_that_cannot_prove_its_name_is_not() {
    let (unknown, _) = https("127.0.0.1").await;
    let (misnamed, pem) = https("somebody.example").await;
    for (client, address) in [(client(), unknown), (trusting(pem).unwrap(), misnamed)] {
        let error = post_to(&client, &destination(&format!("https://{address}/token")), LONG, Reach::Vouched).await;
        let Err(SendError::Tls(reason)) = &error else { panic!("{error:?}") };
        assert!(reason.starts_with("invalid peer certificate"), "{reason}");
    }
}

#[tokio::test]
async fn plain_http_behind_an_https_url_fails_as_tls() {
    let address = crate::server::serve(|stream, _| crate::server::answer_all(stream, OK)).await;
    let listener = destination(&format!("https://{address}/"));
    let error = post_to(&client(), &listener, std::time::Duration::from_secs(1), Reach::Vouched).await;
    assert!(matches!(error, Err(SendError::Tls(_) | SendError::TimedOut | SendError::Closed(_))), "{error:?}");
}

#[test]
fn roots_that_are_none_are_refused() {
    assert!(matches!(trusting(String::new()), Err(ClientError::NoCertificate)));
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(matches!(trusting(broken.to_owned()), Err(ClientError::Root(_))));
}
