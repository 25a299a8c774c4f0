//! Properties which hold for all inputs: what is written reads back, patches lead where they should, applying twice
//! is applying once.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::codec::{cbor, yaml};
use crate::group::GroupVersionKind;
use crate::patch::apply::{FieldManager, SingleVersion, compare, empty_object, merge};
use crate::patch::shape::Shape;
use crate::patch::testing::THING;
use crate::patch::{merge as merge_patch, strategic};
use crate::quantity::{Amount, Format, Quantity};
use crate::selectors::{fields, labels};

const SHAPE: Shape<'static> = Shape::Struct(&THING);

fn object(entries: Vec<(&str, Option<Value>)>) -> Value {
    let present = entries.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Value::Object(present.collect::<Map<_, _>>())
}

/// Any JSON value with awkward texts.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1.0e6..1.0e6f64)
            .prop_filter("whole numbers read back as integers", |f| f.fract() != 0.0)
            .prop_map(Value::from),
        "[ -~é\n\t:#'\"]{0,12}".prop_map(Value::from),
        prop_oneof!["yes", "0x1f", "1e3", "~", "", "2020-01-01", "12:30", "- a", "a: b"]
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::Array),
            btree_map("[ -~é]{0,8}", inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Elements of a list with unique names.
fn named(
    names: &'static [&'static str],
    more: impl Strategy<Value = Value> + 'static,
) -> impl Strategy<Value = Value> {
    let element = more.prop_map(|more| more.as_object().cloned().unwrap_or_default());
    (Just(names.to_vec()).prop_shuffle(), vec(element, 1..=names.len())).prop_map(|(names, elements)| {
        let items = names.into_iter().zip(elements).map(|(name, mut element)| {
            element.insert("name".to_owned(), json!(name));
            Value::Object(element)
        });
        items.collect()
    })
}

fn text_map() -> impl Strategy<Value = Value> {
    btree_map("[abc]", "[12]", 1..3).prop_map(|map| json!(map))
}

/// An object of the kind used in tests of patches. Without empty lists and maps, which nobody owns.
fn thing() -> impl Strategy<Value = Value> {
    let env = named(&["E", "F"], (0..2u8).prop_map(|value| json!({"value": value.to_string()})));
    let container = (prop::option::of("[ij]"), prop::option::of(env), prop::option::of(text_map())).prop_map(
        |(image, env, limits)| {
            object(vec![("image", image.map(Value::from)), ("env", env), ("limits", limits)])
        },
    );
    let spec = (
        prop::option::of((0..3i64).prop_map(Value::from)),
        prop::option::of(named(&["a", "b", "c"], container)),
        prop::option::of(text_map()),
        prop::option::of(text_map().prop_map(|labels| json!({"matchLabels": labels}))),
    );
    // Sorted, as a strategic patch does not see that a list was brought into alphabetical order.
    let finalizers =
        prop::option::of(prop::sample::subsequence(vec!["f", "g", "h"], 1..=3).prop_map(|all| json!(all)));
    (spec, finalizers).prop_map(|((replicas, containers, node_selector, selector), finalizers)| {
        let spec = object(vec![
            ("replicas", replicas),
            ("containers", containers),
            ("nodeSelector", node_selector),
            ("selector", selector),
        ]);
        json!({
            "apiVersion": "apps/v1", "kind": "Thing",
            "metadata": object(vec![("finalizers", finalizers)]), "spec": spec,
        })
    })
}

fn apply(live: &Value, config: &Value, manager: &str) -> Value {
    let kind = GroupVersionKind::new("apps", "v1", "Thing");
    let versions = SingleVersion { api_version: "apps/v1", shape: SHAPE };
    let fields = FieldManager { kind: &kind, subresource: "", filter: None, versions: &versions };
    let applied = fields.apply(live, config, manager, true, jiff::Timestamp::MAX);
    applied.unwrap_or_else(|error| panic!("{error}"))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(192) })]

    #[test]
    fn yaml_reads_back(value in any_json()) {
        let text = yaml::to_string(&value);
        prop_assert_eq!(yaml::from_str(&text), Ok(value), "{}", text);
    }

    #[test]
    fn cbor_reads_back(value in any_json()) {
        let bytes = cbor::encode(&value).unwrap_or_default();
        prop_assert_eq!(cbor::decode(&bytes), Ok(value));
    }

    #[test]
    fn no_bytes_upset_the_decoders(bytes in vec(any::<u8>(), 0..64)) {
        let _ = cbor::decode(&bytes);
        let text = String::from_utf8_lossy(&bytes);
        let _ = yaml::decode(&text);
        let _ = Quantity::parse(&text);
        let _ = labels::Selector::parse(&text);
        let _ = fields::Selector::parse(&text);
    }

    #[test]
    fn quantities_read_back(mantissa in any::<i64>(), scale in -9..12i32) {
        for format in [Format::DecimalSi, Format::BinarySi, Format::DecimalExponent] {
            let amount = Amount::new(i128::from(mantissa), scale, format);
            let read = amount.to_string().parse::<Amount>();
            // Binary text is capped on reading, as upstream does.
            let capped = format == Format::BinarySi && amount.value().unsigned_abs() >= i64::MAX as u64;
            prop_assert!(capped || read.as_ref().is_ok_and(|read| read.compare(&amount).is_eq()), "{} {:?}", amount, read);
        }
    }

    #[test]
    fn label_selectors_read_back(text in "(!?[ab]|[ab](=|==|!=)[xy]?|[ab] (in|notin) \\([xy](,[xy])?\\)|[ab][<>][12])(,(!?[cd]|[cd]=x))?") {
        let selector = labels::Selector::parse(&text);
        prop_assert!(selector.is_ok(), "{:?}", selector);
        let selector = selector.unwrap_or_default();
        prop_assert_eq!(labels::Selector::parse(&selector.to_string()), Ok(selector));
    }

    #[test]
    fn merge_patches_lead_to_their_goal(original in thing(), modified in thing()) {
        let patch = merge_patch::create(&original, &modified);
        prop_assert_eq!(merge_patch::apply(original, patch), Ok(modified));
    }

    #[test]
    fn strategic_patches_lead_to_their_goal(original in thing(), modified in thing()) {
        let patch = strategic::create_two_way(&original, &modified, &THING).map_err(|e| TestCaseError::fail(e.to_string()))?;
        prop_assert_eq!(strategic::apply(original, patch, &THING), Ok(modified));
    }

    #[test]
    fn three_way_patches_settle(original in thing(), modified in thing(), current in thing()) {
        let fail = |error: strategic::StrategicError| TestCaseError::fail(error.to_string());
        let patch = strategic::create_three_way(&original, &modified, &current, &THING, true, &[]).map_err(fail)?;
        let once = strategic::apply(current, patch, &THING).map_err(fail)?;
        let again = strategic::create_three_way(&modified, &modified, &once, &THING, true, &[]).map_err(fail)?;
        let twice = strategic::apply(once.clone(), again, &THING).map_err(fail)?;
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn merging_sets_all_that_is_asked(live in thing(), config in thing()) {
        let merged = merge(&live, &config, SHAPE).unwrap_or_default();
        let missing = compare(&merged, &config, SHAPE).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert!(missing.added.is_empty() && missing.modified.is_empty(), "{:?}", missing);
    }

    #[test]
    fn applying_twice_is_applying_once(first in thing(), second in thing(), config in thing()) {
        let live = apply(&empty_object(SHAPE), &first, "one");
        let live = apply(&live, &second, "two");
        let once = apply(&live, &config, "one");
        prop_assert_eq!(apply(&once, &config, "one"), once);
    }
}
