//! The `Authorization` and `Impersonate-*` headers of each request.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use parking_lot::Mutex;

use crate::config::{Config, Credentials, Impersonation};
use crate::error::Error;
use crate::exec_plugin::{self, PluginCredential};

/// How long a token read from a file is used, as upstream: the kubelet renews well before the end.
const TOKEN_FILE_PERIOD: Duration = Duration::from_secs(60);
/// A plugin's credential is renewed this long before it ends.
const EXPIRY_MARGIN: jiff::SignedDuration = jiff::SignedDuration::from_secs(10);

/// Supplies bearer tokens, for instance by asking the API server for those of a service account.
pub trait TokenProvider: Send + Sync {
    /// The token for a request made now. `rejected` is true when the last one was answered with 401.
    fn token(&self, rejected: bool) -> Pin<Box<dyn Future<Output = Result<String, Error>> + Send + '_>>;
}

enum Kind {
    Static(Option<HeaderValue>),
    File { path: std::path::PathBuf, read: Mutex<Option<(HeaderValue, Instant)>> },
    Exec { current: tokio::sync::Mutex<Option<PluginCredential>> },
    Provider(Arc<dyn TokenProvider>),
}

/// The authentication of one client.
pub(crate) struct Authentication {
    kind: Kind,
    impersonation: HeaderMap,
}

fn bearer(token: &str) -> Result<HeaderValue, Error> {
    secret(format!("Bearer {}", token.trim()))
}

fn secret(text: String) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::try_from(text)
        .map_err(|_| Error::Config("credentials contain characters that cannot be sent".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

impl Authentication {
    pub(crate) fn new(config: &Config) -> Result<Authentication, Error> {
        let kind = match &config.credentials {
            Credentials::None => Kind::Static(None),
            Credentials::Token(token) => Kind::Static(Some(bearer(token)?)),
            Credentials::Basic(user, password) => Kind::Static(Some(secret(format!(
                "Basic {}",
                STANDARD.encode(format!("{user}:{password}"))
            ))?)),
            Credentials::TokenFile(path) => Kind::File { path: path.clone(), read: Mutex::new(None) },
            Credentials::Exec(_) => Kind::Exec { current: tokio::sync::Mutex::new(None) },
        };
        Ok(Authentication { kind, impersonation: impersonation_headers(&config.impersonation)? })
    }

    pub(crate) fn from_provider(provider: Arc<dyn TokenProvider>) -> Authentication {
        Authentication { kind: Kind::Provider(provider), impersonation: HeaderMap::new() }
    }

    /// Adds the headers a request does not bring itself. `rejected` forces new credentials. The result is
    /// a certificate a plugin handed out, which the connection must present.
    pub(crate) async fn apply(
        &self,
        config: &Config,
        headers: &mut HeaderMap,
        rejected: bool,
    ) -> Result<Option<(Vec<u8>, Vec<u8>)>, Error> {
        let mut identity = None;
        let value = match &self.kind {
            Kind::Static(value) => value.clone(),
            Kind::File { path, read } => Some(from_file(path, read, rejected)?),
            Kind::Provider(provider) => Some(bearer(&provider.token(rejected).await?)?),
            Kind::Exec { current } => {
                let credential = from_plugin(config, current, rejected).await?;
                identity = credential.identity;
                credential.token.as_deref().map(bearer).transpose()?
            }
        };
        if let Some(value) = value
            && !headers.contains_key(AUTHORIZATION)
        {
            headers.insert(AUTHORIZATION, value);
        }
        for (name, value) in &self.impersonation {
            headers.append(name, value.clone());
        }
        Ok(identity)
    }

    /// Whether asking again after a 401 can help.
    pub(crate) fn can_renew(&self) -> bool {
        !matches!(self.kind, Kind::Static(_))
    }
}

fn from_file(
    path: &Path,
    read: &Mutex<Option<(HeaderValue, Instant)>>,
    rejected: bool,
) -> Result<HeaderValue, Error> {
    let mut read = read.lock();
    if let Some((value, at)) = &*read
        && !rejected
        && at.elapsed() < TOKEN_FILE_PERIOD
    {
        return Ok(value.clone());
    }
    let token = std::fs::read_to_string(path);
    match (token, &*read) {
        (Ok(token), _) if !token.trim().is_empty() => {
            let value = bearer(&token)?;
            *read = Some((value.clone(), Instant::now()));
            Ok(value)
        }
        // A file that cannot be read just now does not make the token in hand invalid.
        (_, Some((value, _))) => Ok(value.clone()),
        (Ok(_), None) => Err(Error::Config(format!("token file {} is empty", path.display()))),
        (Err(source), None) => Err(Error::File { action: "failed to read", path: path.to_owned(), source }),
    }
}

async fn from_plugin(
    config: &Config,
    current: &tokio::sync::Mutex<Option<PluginCredential>>,
    rejected: bool,
) -> Result<PluginCredential, Error> {
    // Held over the run of the plugin, so that many requests start it once.
    let mut current = current.lock().await;
    let now = jiff::Timestamp::now();
    if let Some(credential) = &*current
        && !rejected
        && credential.expires.is_none_or(|expires| now + EXPIRY_MARGIN < expires)
    {
        return Ok(credential.clone());
    }
    let Credentials::Exec(exec) = &config.credentials else {
        return Err(Error::Config("no credential plugin is configured".to_owned()));
    };
    let credential = exec_plugin::run(exec, config).await?;
    *current = Some(credential.clone());
    Ok(credential)
}

fn impersonation_headers(impersonation: &Impersonation) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    let acts = !impersonation.user.is_empty();
    if !acts
        && (!impersonation.uid.is_empty()
            || !impersonation.groups.is_empty()
            || !impersonation.extra.is_empty())
    {
        return Err(Error::Config(
            "requesting uid, groups or user-extra for impersonated user without impersonating a user"
                .to_owned(),
        ));
    }
    let value = |text: &str| {
        HeaderValue::try_from(text)
            .map_err(|_| Error::Config(format!("impersonation of {text:?} cannot be sent")))
    };
    if acts {
        headers.insert("impersonate-user", value(&impersonation.user)?);
    }
    if !impersonation.uid.is_empty() {
        headers.insert("impersonate-uid", value(&impersonation.uid)?);
    }
    for group in &impersonation.groups {
        headers.append("impersonate-group", value(group)?);
    }
    for (key, values) in &impersonation.extra {
        let name = format!("impersonate-extra-{}", crate::paths::escape(&key.to_ascii_lowercase()));
        let name = HeaderName::try_from(name)
            .map_err(|_| Error::Config(format!("impersonation extra {key:?} cannot be sent")))?;
        for text in values {
            headers.append(name.clone(), value(text)?);
        }
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn authorization(credentials: Credentials) -> Result<String, String> {
        let mut config = Config::new("https://h").expect("valid");
        config.credentials = credentials;
        let authentication = Authentication::new(&config).map_err(|error| error.to_string())?;
        let mut headers = HeaderMap::new();
        authentication.apply(&config, &mut headers, false).await.map_err(|error| error.to_string())?;
        Ok(headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned())
    }

    #[tokio::test]
    async fn headers_follow_credentials() {
        assert_eq!(authorization(Credentials::None).await.as_deref(), Ok(""));
        assert_eq!(authorization(Credentials::Token("t\n".into())).await.as_deref(), Ok("Bearer t"));
        assert_eq!(
            authorization(Credentials::Basic("a".into(), "b".into())).await.as_deref(),
            Ok("Basic YTpi")
        );
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("token");
        assert!(authorization(Credentials::TokenFile(path.clone())).await.is_err());
        std::fs::write(&path, "from-file\n").expect("written");
        assert_eq!(authorization(Credentials::TokenFile(path)).await.as_deref(), Ok("Bearer from-file"));
        assert!(authorization(Credentials::Token("a\u{1}b".into())).await.is_err());
    }

    #[test]
    fn a_rejected_file_token_is_read_again() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("token");
        let read = Mutex::new(None);
        let token = |text: &str, rejected| {
            std::fs::write(&path, text).expect("written");
            from_file(&path, &read, rejected).map(|value| value.to_str().unwrap_or_default().to_owned())
        };
        assert_eq!(token("one", false).ok().as_deref(), Some("Bearer one"));
        assert_eq!(token("two", false).ok().as_deref(), Some("Bearer one"));
        assert_eq!(token("two", true).ok().as_deref(), Some("Bearer two"));
        assert_eq!(token("", true).ok().as_deref(), Some("Bearer two"));
    }

    #[test]
    fn impersonation_needs_a_user() {
        let mut impersonation =
            Impersonation { groups: vec!["a".into(), "b".into()], ..Impersonation::default() };
        assert!(impersonation_headers(&impersonation).is_err());
        impersonation.user = "jane".into();
        impersonation.extra.insert("Acme.com/Project".into(), vec!["x".into()]);
        let headers = impersonation_headers(&impersonation).expect("valid");
        assert_eq!(headers.get_all("impersonate-group").iter().count(), 2);
        assert!(headers.contains_key("impersonate-extra-acme.com%2fproject"));
    }
}
