//! Authenticators, as the flags want them.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use apiserver_auth::authn::anonymous::Anonymous;
use apiserver_auth::authn::bearer::Bearer;
use apiserver_auth::authn::bootstrap_token::BootstrapTokens;
use apiserver_auth::authn::cache::{CachedTokens, SUCCESS_TTL};
use apiserver_auth::authn::certificate::{Authorities, ClientCertificate};
use apiserver_auth::authn::request_header::RequestHeader;
use apiserver_auth::authn::service_account::ObjectGetter;
use apiserver_auth::authn::service_account::issue::Issuer;
use apiserver_auth::authn::service_account::keys::{PublicKey, SigningKey, public_keys_from_pem};
use apiserver_auth::authn::service_account::legacy::LegacyTokens;
use apiserver_auth::authn::service_account::validate::BoundTokens;
use apiserver_auth::authn::token_file::TokenFile;
use apiserver_auth::authn::union::{TokenUnion, Union};
use apiserver_auth::authn::{Authenticator, TokenAuthenticator};
use component_base::Shutdown;
use component_base::tls::server::ClientAuthorities;

use crate::options::AuthenticationOptions;
use crate::system::authentication_config::{AuthenticationFacts, FrontProxyFacts};

/// Everything that has to do with identity.
pub struct Identities {
    /// All authenticators, in order.
    pub authenticator: Arc<dyn Authenticator>,
    /// Those that judge tokens.
    pub tokens: Option<Arc<dyn TokenAuthenticator>>,
    /// The front proxy, whose headers are removed behind authentication.
    pub front_proxy: Option<Arc<RequestHeader>>,
    /// Audiences the server goes by.
    pub audiences: Vec<String>,
    /// Signs tokens of service accounts.
    pub issuer: Option<Arc<Issuer>>,
    /// Keys that verify them.
    pub keys: Arc<Vec<PublicKey>>,
    /// What is published for extension servers.
    pub facts: AuthenticationFacts,
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("reading {}", path.display()))
}

/// Makes the authenticators.
pub fn build(
    options: &AuthenticationOptions,
    getter: Arc<dyn ObjectGetter>,
    loops: &Shutdown,
) -> anyhow::Result<Identities> {
    let accounts = &options.service_account;
    let audiences = if options.api_audiences.is_empty() {
        accounts.issuers.clone()
    } else {
        options.api_audiences.clone()
    };
    let keys = Arc::new(verifying_keys(options)?);
    let mut facts = AuthenticationFacts::default();
    let mut authenticators: Vec<Arc<dyn Authenticator>> = Vec::new();

    let front_proxy = front_proxy(options, loops, &mut facts)?;
    if let Some(front_proxy) = &front_proxy {
        authenticators.push(front_proxy.clone());
    }
    if let Some(file) = &options.client_ca_file {
        let authorities = ClientAuthorities::from_file(file).context("--client-ca-file")?;
        authorities.keep_fresh(loops);
        facts.client_ca = Some(String::from_utf8_lossy(&read(file)?).into_owned());
        authenticators
            .push(Arc::new(ClientCertificate { authorities: Arc::new(Authorities::new(authorities)) }));
    }

    let mut tokens: Vec<Arc<dyn TokenAuthenticator>> = Vec::new();
    if let Some(file) = &options.token_auth_file {
        let text = String::from_utf8(read(file)?).context("--token-auth-file")?;
        tokens.push(Arc::new(
            TokenFile::parse(&text, &file.display().to_string()).context("--token-auth-file")?,
        ));
    }
    if !keys.is_empty() {
        tokens.push(Arc::new(LegacyTokens::new(keys.clone(), audiences.clone(), getter.clone())));
        let issuers = accounts.issuers.clone();
        tokens.push(Arc::new(BoundTokens::new(issuers, keys.clone(), audiences.clone(), getter.clone())));
    }
    if options.enable_bootstrap_token_auth {
        tokens.push(Arc::new(BootstrapTokens { getter }));
    }
    let tokens: Option<Arc<dyn TokenAuthenticator>> = if tokens.is_empty() {
        None
    } else {
        let secret: [u8; 32] = rand::random();
        let union = Arc::new(TokenUnion { authenticators: tokens });
        Some(Arc::new(CachedTokens::new(union, SUCCESS_TTL, &secret)))
    };
    if let Some(tokens) = &tokens {
        authenticators.push(Arc::new(Bearer { tokens: tokens.clone() }));
    }
    let anonymous = options.anonymous_auth.then(|| Arc::new(Anonymous::default()) as Arc<dyn Authenticator>);
    Ok(Identities {
        authenticator: Arc::new(Union { authenticators, anonymous }),
        tokens,
        front_proxy,
        audiences,
        issuer: issuer(options)?,
        keys,
        facts,
    })
}

fn issuer(options: &AuthenticationOptions) -> anyhow::Result<Option<Arc<Issuer>>> {
    let accounts = &options.service_account;
    let (Some(name), Some(file)) = (accounts.issuers.first(), &accounts.signing_key_file) else {
        return Ok(None);
    };
    let key = SigningKey::from_pem(&read(file)?)
        .with_context(|| format!("--service-account-signing-key-file {}", file.display()))?;
    Ok(Some(Arc::new(Issuer::new(name.clone(), key))))
}

fn verifying_keys(options: &AuthenticationOptions) -> anyhow::Result<Vec<PublicKey>> {
    let mut keys: Vec<PublicKey> = Vec::new();
    for file in &options.service_account.key_files {
        let found = public_keys_from_pem(&read(file)?)
            .with_context(|| format!("--service-account-key-file {}", file.display()))?;
        for key in found {
            if !keys.iter().any(|known| known.key_id == key.key_id) {
                keys.push(key);
            }
        }
    }
    Ok(keys)
}

fn front_proxy(
    options: &AuthenticationOptions,
    loops: &Shutdown,
    facts: &mut AuthenticationFacts,
) -> anyhow::Result<Option<Arc<RequestHeader>>> {
    let header = &options.request_header;
    let Some(file) = &header.proxy_ca_file else { return Ok(None) };
    let authorities = ClientAuthorities::from_file(file).context("--requestheader-client-ca-file")?;
    authorities.keep_fresh(loops);
    facts.front_proxy = Some(FrontProxyFacts {
        ca: String::from_utf8_lossy(&read(file)?).into_owned(),
        allowed_names: header.allowed_names.clone(),
        username_headers: header.username_headers.clone(),
        uid_headers: header.uid_headers.clone(),
        group_headers: header.group_headers.clone(),
        extra_headers_prefix: header.extra_headers_prefix.clone(),
    });
    Ok(Some(Arc::new(RequestHeader {
        authorities: Arc::new(Authorities::new(authorities)),
        allowed_names: header.allowed_names.clone(),
        username_headers: header.username_headers.clone(),
        uid_headers: header.uid_headers.clone(),
        group_headers: header.group_headers.clone(),
        extra_header_prefixes: header.extra_headers_prefix.clone(),
    })))
}
