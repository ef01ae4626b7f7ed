//! MAS behind TLS: only one that can prove who it is gets the secret.

use std::{path::Path, sync::Arc};

use key_backup_testkit::{self_signed, temporary_folder};
use tokio_rustls::rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::{
    fixture::{Fixture, mas_yaml},
    service::Service,
};

/// Makes `mas.crt` and `mas.key`, a certificate for 127.0.0.1 that signs itself, and what a server needs of it.
fn certificate(folder: &Path) -> Arc<ServerConfig> {
    self_signed(folder, "mas", "IP:127.0.0.1").unwrap();
    let (certificate, key) = (folder.join("mas.crt"), folder.join("mas.key"));
    let chain = vec![CertificateDer::from_pem_file(certificate).unwrap()];
    let key = PrivateKeyDer::from_pem_file(key).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    Arc::new(builder.with_single_cert(chain, key).unwrap())
}

#[tokio::test]
async fn the_certificate_is_verified_with_those_of_the_system() {
    let folder = temporary_folder().unwrap();
    let config = certificate(folder.path());
    for (trusted, status) in [("mas.crt", 404), ("other.crt", 503)] {
        let other = temporary_folder().unwrap();
        certificate(other.path());
        std::fs::copy(other.path().join("mas.crt"), folder.path().join("other.crt")).unwrap();
        let mas = Service::start_with_tls(Arc::clone(&config)).await;
        let yaml = mas_yaml(&format!("https://127.0.0.1:{}", mas.port()));
        let trusted = folder.path().join(trusted);
        let fixture =
            Fixture::configured(mas, |worker| worker.yaml(&yaml).environment("SSL_CERT_FILE", trusted)).await;
        fixture.let_in("mat_1");
        assert_eq!(fixture.get("mat_1").await.status, status);
        assert_eq!(fixture.mas.asked(), usize::from(status == 404));
    }
}

#[tokio::test]
async fn without_tls_no_certificates_need_to_be_installed() {
    let folder = temporary_folder().unwrap();
    let none = folder.path().join("none.crt");
    std::fs::write(&none, "").unwrap();
    let mas = Service::start().await;
    let yaml = mas_yaml(&format!("http://127.0.0.1:{}", mas.port()));
    let fixture =
        Fixture::configured(mas, |worker| worker.yaml(&yaml).environment("SSL_CERT_FILE", none)).await;
    fixture.let_in("mat_1");
    assert!(fixture.is_let_in("mat_1").await);
}
