use super::*;

/// Writes one field whose value has a length.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length >= 0x80 {
        field.push(length as u8 | 0x80);
        length >>= 7;
    }
    field.push(length as u8);
    field.extend_from_slice(bytes);
    field
}

fn fixed(number: u8, value: u64) -> Vec<u8> {
    [&[number << 3 | 1][..], &value.to_le_bytes()].concat()
}

fn text_attribute(key: &str, value: &str) -> Vec<u8> {
    let value = field(2, &field(1, value.as_bytes()));
    [field(1, key.as_bytes()), value].concat()
}

/// Wraps an item into a request with one resource and one scope.
fn request(item: &[u8]) -> Vec<u8> {
    field(1, &field(2, &field(2, item)))
}

fn span() -> Vec<u8> {
    [
        field(1, &[0xab; 16]),
        field(2, &[0xcd; 8]),
        field(5, b"chat \"m\"\n"),
        vec![6 << 3, 3],
        fixed(7, 1_777_896_000_123_456_789),
        field(9, &text_attribute("gen_ai.system", "openai")),
        // Not known here, and known to be left out.
        field(15, &[3 << 3, 2]),
        field(
            9,
            &[field(1, b"n"), field(2, &[3 << 3, 0x80, 0x01])].concat(),
        ),
        field(11, b"an event"),
    ]
    .concat()
}

fn metric() -> Vec<u8> {
    let point = [
        fixed(3, 7),
        fixed(6, u64::MAX),
        fixed(4, 0.00183f64.to_bits()),
        fixed(4, f64::NAN.to_bits()),
    ]
    .concat();
    let sum = [field(1, &point), vec![2 << 3, 1, 3 << 3, 1]].concat();
    [field(1, b"m"), field(7, &sum)].concat()
}

fn log() -> Vec<u8> {
    let body = field(1, b"claude_code.api_request");
    [fixed(1, 7), field(5, &body), fixed(11, 9), field(12, b"e")].concat()
}

#[test]
fn fields_are_written_as_json_has_them() {
    let batch = read(Format::OtlpTraces, &request(&span()), 1 << 20).unwrap();
    assert!(batch.named);
    let trace = "ab".repeat(16);
    let id = "cd".repeat(8);
    assert_eq!(
        batch.json,
        format!(
            r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{"traceId":"{trace}","spanId":"{id}","name":"chat \"m\"\u000a","kind":3,"startTimeUnixNano":1777896000123456789,"attributes":[{{"key":"gen_ai.system","value":{{"stringValue":"openai"}}}},{{"key":"n","value":{{"intValue":128}}}}],"status":{{"code":2}}}}]}}]}}]}}"#
        )
    );
    let batch = read(Format::OtlpMetrics, &request(&metric()), 1 << 20).unwrap();
    assert_eq!(
        batch.json,
        r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m","sum":{"dataPoints":[{"timeUnixNano":7,"asDouble":0.00183,"asDouble":"NaN","asInt":-1}],"aggregationTemporality":1,"isMonotonic":true}}]}]}]}"#
    );
}

#[test]
fn a_batch_is_of_one_signal_only() {
    let signals = [Format::OtlpTraces, Format::OtlpMetrics, Format::OtlpLogs];
    for (at, item) in [span(), metric(), log()].iter().enumerate() {
        for (other, signal) in signals.iter().enumerate() {
            let named = read(*signal, &request(item), 1 << 20).is_ok_and(|batch| batch.named);
            assert_eq!(named, at == other, "{at} as {signal}");
        }
    }
    let nameless = read(Format::OtlpTraces, &request(&[]), 1 << 20).unwrap();
    assert!(!nameless.named);
}

#[test]
fn what_is_cut_or_no_protobuf_is_a_fault() {
    let whole = request(&span());
    for end in 1..whole.len() {
        assert!(read(Format::OtlpTraces, &whole[..end], 1 << 20).is_err());
    }
    let check = |bytes: &[u8], expected| {
        let fault = read(Format::OtlpTraces, bytes, 1 << 20).err();
        assert_eq!(fault, Some(expected), "{bytes:?}");
    };
    check(b"\n{\"resourceSpans\":[]}", Fault::Cut);
    check(
        &[
            0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1,
        ],
        Fault::Cut,
    );
    check(&[0x0b], Fault::Type);
    check(&[0x02, 0x00], Fault::Type);
    check(&[0xff; 11], Fault::Type);
    check(&request(&field(5, &[0xc3])), Fault::Text);
    check(&request(&field(1, b"short")), Fault::Type);
    let mut value = field(1, b"x");
    for _ in 0..100 {
        value = field(5, &field(1, &value));
    }
    let attribute = [field(1, b"k"), field(2, &value)].concat();
    check(&request(&field(9, &attribute)), Fault::Depth);
    assert_eq!(
        read(Format::OtlpTraces, &whole, 100).err(),
        Some(Fault::TooLarge)
    );
}
