//! Labels and events against their published schemas.

use serde_json::{Value, json};
use simulator::Labels;

use crate::{GOALS, SMALL, STORY, values};

fn validator() -> jsonschema::Validator {
    validator_of(include_str!("../../../../schemas/labels.v1.schema.json"))
}

fn validator_of(schema: &str) -> jsonschema::Validator {
    let schema: Value = serde_json::from_str(schema).unwrap();
    assert!(jsonschema::meta::is_valid(&schema));
    jsonschema::validator_for(&schema).unwrap()
}

#[test]
fn labels_keep_to_their_schema_and_can_be_read_back() {
    let validator = validator();
    for simulation in [&*SMALL, &*STORY, &*GOALS] {
        let text = serde_json::to_string(&simulation.labels).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        let errors: Vec<_> = validator
            .iter_errors(&value)
            .map(|err| err.to_string())
            .collect();
        assert!(errors.is_empty(), "{errors:?}");
        let back: Labels = serde_json::from_str(&text).unwrap();
        assert_eq!(back, simulation.labels);
    }
}

#[test]
fn events_keep_to_the_schema_of_usage() {
    let validator = validator_of(include_str!("../../../../schemas/usage.v1.schema.json"));
    let is_list = |value: &Value| value["operation"] == "models.list";
    let mut lists = 0;
    for (place, (value, _)) in values(&GOALS, 3).enumerate() {
        if is_list(&value) || place % 50 == 0 {
            let errors: Vec<_> = validator
                .iter_errors(&value)
                .map(|err| err.to_string())
                .collect();
            assert!(errors.is_empty(), "{value} {errors:?}");
            lists += u32::from(is_list(&value));
        }
    }
    assert!(lists > 0);
}

#[test]
fn the_schema_refuses_what_labels_never_say() {
    let validator = validator();
    let good = serde_json::to_value(&STORY.labels).unwrap();
    let check = |change: &dyn Fn(&mut Value)| {
        let mut value = good.clone();
        change(&mut value);
        assert!(!validator.is_valid(&value));
    };
    check(&|value| value["version"] = json!("labels.v2"));
    check(&|value| value["abuses"][0]["start"] = json!("yesterday"));
    check(&|value| value["abuses"][0]["cumulative_cost_usd"] = json!([]));
    check(&|value| value["keys"][0]["surprise"] = json!(1));
    check(&|value| {
        value.as_object_mut().unwrap().remove("scored");
    });
}
