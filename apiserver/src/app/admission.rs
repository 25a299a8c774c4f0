//! Admission plugins, as the flags want them.

use std::sync::Arc;

use apiserver_admission::{Chain, Plugin};
use apiserver_auth::authz::Authorizer;

use crate::options::GenericOptions;
use crate::system::privileged_pods::PrivilegedPods;
use crate::system::typed::Typed;

/// Makes the chain of plugins.
pub fn build(options: &GenericOptions, _: &Typed, _: &Arc<dyn Authorizer>) -> anyhow::Result<Chain> {
    let mut plugins: Vec<Arc<dyn Plugin>> = Vec::new();
    if !options.allow_privileged {
        plugins.push(Arc::new(PrivilegedPods));
    }
    Ok(Chain::new(plugins))
}
