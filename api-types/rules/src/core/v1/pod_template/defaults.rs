//! Defaults of pod templates.

use crate::core::v1::pod;
use api_types::core::v1::PodTemplate;

/// Defaults of a pod template.
pub fn set(template: &mut PodTemplate) {
    pod::defaults::set_template(&mut template.template);
}
