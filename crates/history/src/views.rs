//! Views over the tables: what a question asks more often than the rows as they came.

/// A view: its name and its definition.
pub(crate) struct View {
    pub(crate) name: &'static str,
    pub(crate) select: &'static str,
}

/// Of the rows of `usage_events` that a condition leaves and that have one id, the one known last.
///
/// The condition stands inside: what it leaves out is not sorted.
macro_rules! latest {
    ($condition:literal) => {
        concat!(
            "(
  SELECT * EXCEPT (statement)
  FROM (
    SELECT *, row_number() OVER (
      PARTITION BY provider, account, kind,
        coalesce(event_id, concat(topic, '/', partition, '/', \"offset\"))
      ORDER BY known_at DESC, topic, partition, \"offset\" DESC
    ) AS statement
    FROM usage_events
    WHERE coalesce(strpos(quality, 'counted_elsewhere'), 0) = 0 AND ",
            $condition,
            "
  )
  WHERE statement = 1
)"
        )
    };
}

/// The views, in the order in which they build on one another.
pub(crate) const VIEWS: [View; 6] = [
    // Providers send buckets again while they are open, with larger amounts, and restate billing
    // lines under their old id: to add them up would count the same usage again. `usage_events`
    // keeps each of them, so that it can be seen what was known when. A row without an id is one
    // of its own. What a topic says that is set to be counted elsewhere is left out.
    View {
        name: "v_usage_latest",
        select: concat!("SELECT * FROM ", latest!("true")),
    },
    // The lines of bills, each as it was said last.
    View {
        name: "cost_lines",
        select: concat!("SELECT * FROM ", latest!("kind = 'cost'")),
    },
    // What did each key do since midnight, UTC?
    View {
        name: "v_key_today",
        select: concat!(
            "SELECT key_id, account, provider,
  sum(requests) AS requests, sum(input_tokens) AS input_tokens,
  sum(output_tokens) AS output_tokens, sum(cost_usd) AS cost_usd,
  count(DISTINCT source_ip) AS addresses, count(DISTINCT model) AS models,
  min(event_time) AS first_seen, max(event_time) AS last_seen, max(known_at) AS known_at
FROM ",
            latest!("kind = 'usage' AND key_id IS NOT NULL AND event_time >= date_trunc('day', now())"),
            "
GROUP BY key_id, account, provider"
        ),
    },
    // What did each account spend on each day of the last five weeks, by provider?
    View {
        name: "v_spend_by_account",
        select: concat!(
            "SELECT event_date AS day, account, provider,
  sum(requests) AS requests, sum(cost_usd) AS cost_usd, count(DISTINCT key_id) AS keys,
  max(known_at) AS known_at
FROM ",
            latest!("kind = 'usage' AND event_time >= date_trunc('day', now()) - INTERVAL '35 days'"),
            "
GROUP BY event_date, account, provider"
        ),
    },
    // From which addresses was a key used for the first time in the last week, that had been used
    // before from others?
    View {
        name: "v_new_addresses",
        select: "SELECT key_id, account, source_ip, country, first_seen, last_seen, requests, cost_usd, known_at
FROM (
  SELECT key_id, account, source_ip, min(country) AS country,
    min(event_time) AS first_seen, max(event_time) AS last_seen,
    sum(requests) AS requests, sum(cost_usd) AS cost_usd, max(known_at) AS known_at,
    min(min(event_time)) OVER (PARTITION BY key_id, account) AS key_first_seen
  FROM usage_events
  WHERE kind IN ('usage', 'access') AND key_id IS NOT NULL AND source_ip IS NOT NULL
    AND coalesce(strpos(quality, 'counted_elsewhere'), 0) = 0
  GROUP BY key_id, account, source_ip
)
WHERE first_seen >= now() - INTERVAL '7 days' AND first_seen > key_first_seen",
    },
    // Which keys of the inventory were not used in the last thirty days? Each is one to take away.
    View {
        name: "v_unused_keys",
        select: "SELECT k.key_id, k.account, k.project, k.provider, k.owner, k.created, u.last_seen
FROM keys k LEFT JOIN (
  SELECT key_id, max(event_time) AS last_seen FROM usage_events
  WHERE kind IN ('usage', 'access') AND key_id IS NOT NULL
  GROUP BY key_id
) u ON k.key_id = u.key_id
WHERE u.last_seen IS NULL OR u.last_seen < now() - INTERVAL '30 days'",
    },
];

/// Returns the views that a statement may name, and those that they build on: each costs planning.
/// Who asks what there is sees all.
pub(crate) fn named_in(statement: &str) -> impl Iterator<Item = &'static View> {
    let statement = statement.to_lowercase();
    let all = statement.contains("information_schema");
    let mut named = [false; VIEWS.len()];
    for at in (0..VIEWS.len()).rev() {
        let name = VIEWS[at].name;
        let by_view = VIEWS
            .iter()
            .zip(named)
            .any(|(view, named)| named && view.select.contains(name));
        named[at] = all || by_view || statement.contains(name);
    }
    VIEWS
        .iter()
        .zip(named)
        .filter_map(|(view, named)| named.then_some(view))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_there_for_who_names_it() {
        let names = |statement| -> Vec<_> { named_in(statement).map(|view| view.name).collect() };
        assert_eq!(names("SELECT 1 FROM usage_events"), [] as [&str; 0]);
        let all = names("SELECT table_name FROM information_schema.tables");
        assert_eq!(all.len(), VIEWS.len());
        assert_eq!(
            names("select * from V_Key_Today join cost_lines"),
            ["cost_lines", "v_key_today"]
        );
    }
}
