//! Expressions and what they come to.

use std::collections::BTreeMap;

use serde_json::json;

use crate::{Budget, EvaluationError, Program, Value};

fn evaluate(source: &str, steps: u64) -> Result<Value, String> {
    let object = json!({"metadata": {"name": "web", "labels": {"app": "web", "a/b": "c"}},
        "spec": {"replicas": 3, "share": 0.5, "containers": [{"image": "a:1"}, {"image": "b"}]}, "gone": null});
    let variables = BTreeMap::from([("object", Value::from_json(&object))]);
    let program = Program::compile(source, &["object"]).map_err(|error| error.to_string())?;
    program.evaluate(&variables, &mut Budget::new(steps)).map_err(|error| error.to_string())
}

#[track_caller]
fn holds(source: &str) {
    assert_eq!(evaluate(source, 100_000), Ok(Value::Bool(true)), "{source}");
}

#[track_caller]
fn fails(source: &str, expected: &str) {
    assert_eq!(evaluate(source, 100_000), Err(expected.to_owned()), "{source}");
}

#[test]
fn objects_are_looked_into() {
    holds("object.metadata.name == 'web' && object.spec.replicas == 3 && object.spec.share < 1");
    holds("has(object.metadata.labels) && !has(object.metadata.annotations) && object.gone == null");
    holds("object.metadata.labels['a/b'] == 'c' && 'app' in object.metadata.labels");
    holds("object.spec.containers[1].image == 'b' && size(object.spec.containers) == 2");
    holds("object.?metadata.?annotations.orValue({}).size() == 0");
    holds("object[?'x'].hasValue() == false && object.metadata.?name.value() == 'web'");
    fails("object.nothing", "no such key: nothing");
    fails("object.spec.containers[2]", "index out of bounds: 2");
}

#[test]
fn macros_walk_through_lists_and_maps() {
    holds("object.spec.containers.all(c, c.image.size() > 0)");
    holds("object.spec.containers.exists(c, c.image.contains(':'))");
    holds("object.spec.containers.exists_one(c, c.image == 'b')");
    holds("object.spec.containers.map(c, c.image) == ['a:1', 'b']");
    holds("object.spec.containers.filter(c, c.image == 'b').size() == 1");
    holds("object.spec.containers.map(c, c.image == 'b', c.image) == ['b']");
    holds("object.metadata.labels.all(key, object.metadata.labels[key].size() > 0)");
    holds("[[1, 2], [3]].map(l, l.map(x, x + 1)) == [[2, 3], [4]]");
    // What one round decides outweighs the failures of others.
    holds("[1, 0].exists(x, 1 / x == 1)");
    holds("![1, 0].all(x, 1 / x > 1)");
    fails("[1, 0].all(x, 1 / x == 1)", "division by zero");
}

#[test]
fn logic_takes_what_is_decisive() {
    holds("true || object.nothing == 1");
    holds("object.nothing == 1 || true");
    holds("!(false && object.nothing)");
    holds("object.spec.replicas > 2 ? true : object.nothing");
    fails("object.nothing == 1 || false", "no such key: nothing");
    fails("1 + 'a' == 2", "no such overload");
    fails("9223372036854775807 + 1 == 0", "integer overflow");
}

#[test]
fn texts_lists_and_sets_have_functions() {
    holds("'a,b'.split(',') == ['a', 'b'] && ['a', 'b'].join('-') == 'a-b' && 'abc'.substring(1) == 'bc'");
    holds("'tacocat'.lastIndexOf('a') == 5 && 'über'.indexOf('r') == 3 && 'A'.lowerAscii() == 'a'");
    holds(
        "'web-1'.matches('^[a-z]+-[0-9]$') && 'a1b2'.findAll('[0-9]') == ['1', '2'] && 'x'.find('y') == ''",
    );
    holds("[1, 2, 3].isSorted() && [1, 2].sum() == 3 && [3, 1].min() == 1 && ['a', 'b'].indexOf('b') == 1");
    holds("sets.contains([1, 2], [2]) && sets.equivalent([1, 1], [1]) && !sets.intersects([1], [2])");
    holds("int('3') == 3 && string(3) == '3' && double(1) == 1.0 && type(1) == int && 1u == 1");
    holds("optional.of(1).orValue(2) == 1 && optional.none().orValue(2) == 2");
    holds("timestamp('2026-01-02T00:00:00Z') - timestamp('2026-01-01T00:00:00Z') == duration('24h')");
    holds("timestamp('2026-01-02T03:04:05Z').getFullYear() == 2026 && duration('1h30m').getMinutes() == 90");
}

#[test]
fn kubernetes_has_functions_of_its_own() {
    holds(
        "quantity('1Gi').isGreaterThan(quantity('1G')) && quantity('500m').add(quantity('500m')).asInteger() == 1",
    );
    holds(
        "!isQuantity('x') && quantity('2') == quantity('2000m') && quantity('1').compareTo(quantity('2')) == -1",
    );
    holds("ip('10.0.0.1').family() == 4 && isIP('::1') && ip.isCanonical('::1') && !isIP('::ffff:10.0.0.1')");
    holds("cidr('10.0.0.0/8').containsIP('10.1.2.3') && cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16')");
    holds(
        "url('https://a:8443/x?k=1&k=2').getPort() == '8443' && url('https://a/x?k=1&k=2').getQuery()['k'] == ['1', '2']",
    );
    holds("!isURL('nothing') && url('https://[::1]:80/').getHostname() == '::1'");
}

#[test]
fn what_costs_too_much_ends() {
    let nested =
        "[1,2,3,4,5,6,7,8,9].all(a, [1,2,3,4,5,6,7,8,9].all(b, [1,2,3,4,5,6,7,8,9].all(c, a + b + c > 0)))";
    assert_eq!(evaluate(nested, 1000), Err(EvaluationError::Cost.to_string()));
    assert_eq!(evaluate(nested, 100_000), Ok(Value::Bool(true)));
    // No operand makes up for a spent budget.
    assert_eq!(evaluate(&format!("{nested} || true"), 1000), Err(EvaluationError::Cost.to_string()));
}

#[track_caller]
fn refused(source: &str, part: &str) {
    let error = Program::compile_condition(source, &["object"]).unwrap_err().to_string();
    assert!(error.contains(part), "{source}: {error}");
}

#[test]
fn mistakes_are_found_before_anything_runs() {
    refused("object.a ==", "compilation failed: ERROR: <input>:1:");
    refused(
        "x.a == 1",
        "ERROR: <input>:1:1: undeclared reference to 'x' (in container '')\n | x.a == 1\n | ^",
    );
    refused("object.all(y, z)", "undeclared reference to 'z'");
    refused("object.frobnicate()", "undeclared reference to 'frobnicate'");
    refused("authorizer.group('').check('get').allowed()", "undeclared reference to 'authorizer'");
    refused("'text'", "must evaluate to bool");
    refused("Object{a: 1} == 1", "undeclared reference to 'Object'");
}

#[test]
fn expressions_without_end_do_no_harm() {
    let wrapped = |count: usize| format!("{}true{}", "(".repeat(count), ")".repeat(count));
    refused(&wrapped(251), "expression recursion limit exceeded: 250");
    refused(&wrapped(15_000), "longer than 20000 bytes");
    refused(&format!("object{} == 1", ".a".repeat(5_000)), "nested deeper than 100");
    refused(&format!("1{} == 1", " + 1".repeat(3_000)), "nested deeper than 100");
    refused(&format!("{}true", "true ? true : ".repeat(300)), "more than 250 question marks");
    refused(&format!("{}true", "true ? true : ".repeat(200)), "nested deeper than 100");
    refused(&"![".repeat(200), "compilation failed");
    holds(&format!("{}true", "!".repeat(5_000)));
    holds(&format!("1{} == 91", " + 1".repeat(90)));
    holds(&format!("true{}", " && true".repeat(1_000)));
}
