//! Answers of other versions, and of what is no miner at all.

use proptest::prelude::*;

use super::*;

/// Names that mean something, so that odd values get to where they hurt.
const NAMES: [&str; 32] = [
    "devices",
    "id",
    "name",
    "state",
    "caps",
    "duty_pct",
    "reason",
    "detail",
    "hashrate_hs",
    "10s",
    "60s",
    "temp_c",
    "power_w",
    "totals",
    "shares",
    "pool",
    "pools",
    "events",
    "points",
    "value",
    "kind",
    "data",
    "event",
    "code",
    "text",
    "facts",
    "help",
    "time",
    "uptime_s",
    "since",
    "index",
    "algo",
];

fn odd() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[a-z -]{0,12}".prop_map(Value::from),
        Just("mining".into()),
        Just("waiting".into()),
        Just("9999-99-99T99:99:99Z".into()),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((prop::sample::select(&NAMES[..]), inner), 0..8).prop_map(|fields| {
                Value::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
            }),
        ]
    })
}

/// Puts odd values at some places of a sound answer.
fn spoil(value: &mut Value, odd: &[Value], turn: &mut usize) {
    *turn += 1;
    if turn.is_multiple_of(11) {
        *value = odd[*turn % odd.len()].clone();
        return;
    }
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| spoil(item, odd, turn)),
        Value::Object(fields) => fields.values_mut().for_each(|field| spoil(field, odd, turn)),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_answer_breaks_the_picture(
        odd in prop::collection::vec(odd(), 1..8),
        start in 0_usize..11,
        wide in 1_u16..200,
        high in 1_u16..70,
        now_s in any::<f64>(),
    ) {
        let mut data = mining();
        let mut turn = start;
        for value in [&mut data.status, &mut data.pools, &mut data.history] {
            spoil(value, &odd, &mut turn);
        }
        data.events.iter_mut().chain(&mut data.shares).for_each(|value| spoil(value, &odd, &mut turn));
        data.add_events(&odd[0]);
        data.add_shares(&odd[0]);
        data.set_status(if start == 0 { odd[0].clone() } else { data.status.clone() });
        let around = Around { now_s, open: Some((Topic::Rates, start)), ..Around::default() };
        let view = View::new(&data, &around);
        let shown = picture(&view, Look { ascii: start % 2 == 0, color: true }, wide, high);
        let letters = shown.buffer().content().iter().flat_map(|cell| cell.symbol().chars());
        prop_assert!(letters.into_iter().all(|letter| !letter.is_control()));
        let offset_s = i64::try_from(start).unwrap_or(0) * 3600;
        for topic in Topic::ALL {
            crate::ui::topics::text(topic, &odd, offset_s);
        }
    }
}
