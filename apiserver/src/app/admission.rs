//! Admission plugins, as the flags want them.

use std::sync::Arc;

use apiserver_admission::{Chain, Lookup, Means, Plugin};
use apiserver_auth::authz::Authorizer;

use crate::options::GenericOptions;
use crate::store::Stores;
use crate::system::admission_objects::AdmissionObjects;
use crate::system::privileged_pods::PrivilegedPods;

/// Makes the chain of plugins.
pub fn build(
    options: &GenericOptions,
    stores: Arc<dyn Stores>,
    authorizer: &Arc<dyn Authorizer>,
) -> anyhow::Result<Chain> {
    let means = Means {
        lookup: Lookup::new(Arc::new(AdmissionObjects { stores })),
        authorizer: Arc::clone(authorizer),
    };
    let mut plugins: Vec<Arc<dyn Plugin>> = Vec::new();
    if !options.allow_privileged {
        plugins.push(Arc::new(PrivilegedPods));
    }
    let on_by_default = apiserver_admission::all().iter().filter(|row| row.on_by_default);
    plugins.extend(on_by_default.filter_map(|row| row.make).map(|make| make(&means)));
    Ok(Chain::new(plugins))
}
