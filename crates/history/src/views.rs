//! Views over the tables: what a question asks more often than the rows as they came.
//!
//! The names of tables and views are found in statements as they stand here: see [`Named`].

/// A view: its name and its definition.
pub(crate) struct View {
    pub(crate) name: &'static str,
    pub(crate) select: &'static str,
}

/// Of the rows of a table that a condition leaves and that have one id, the one known last.
///
/// The condition stands inside: what it leaves out is not sorted.
macro_rules! latest {
    ($table:literal, $condition:literal) => {
        concat!(
            "(
  SELECT * EXCEPT (statement)
  FROM (
    SELECT *, row_number() OVER (
      PARTITION BY provider, account, kind,
        coalesce(event_id, concat(topic, '/', partition, '/', \"offset\"))
      ORDER BY known_at DESC, topic, partition, \"offset\" DESC
    ) AS statement
    FROM ",
            $table,
            "
    WHERE coalesce(strpos(quality, 'counted_elsewhere'), 0) = 0 AND ",
            $condition,
            "
  )
  WHERE statement = 1
)"
        )
    };
}

/// Sums of usage by a window: what the stream has summed, and what may be said again with other
/// amounts (sums over spans, and over many keys), each as it was said last.
macro_rules! summed {
    ($table:literal, $window:literal) => {
        concat!(
            "SELECT window_start, account, project, provider, key_id, model,
  sum(requests) AS requests, sum(errors) AS errors,
  sum(input_tokens) AS input_tokens, sum(cache_read_tokens) AS cache_read_tokens,
  sum(cache_write_tokens) AS cache_write_tokens, sum(output_tokens) AS output_tokens,
  sum(reasoning_tokens) AS reasoning_tokens, sum(cost_usd) AS cost_usd,
  sum(unpriced_requests) AS unpriced_requests, max(known_at) AS known_at
FROM (
  SELECT * EXCEPT (event_date) FROM ",
            $table,
            "
  UNION ALL
  SELECT * EXCEPT (kind, id, topic, partition, \"offset\", statement)
  FROM (
    SELECT *, row_number() OVER (
      PARTITION BY window_start, provider, account, kind, id
      ORDER BY known_at DESC, topic, partition, \"offset\" DESC
    ) AS statement
    FROM (
      SELECT date_trunc('",
            $window,
            "', coalesce(event_time_start, CASE WHEN event_time_end IS NULL
          THEN event_time - INTERVAL '1 millisecond' ELSE event_time END)) AS window_start,
        account, project, provider, key_id, model, coalesce(requests, 0) AS requests,
        CASE WHEN status >= 400 THEN coalesce(requests, 0) ELSE 0 END AS errors,
        coalesce(input_tokens, 0) AS input_tokens,
        coalesce(cache_read_tokens, 0) AS cache_read_tokens,
        coalesce(cache_write_tokens, 0) AS cache_write_tokens,
        coalesce(output_tokens, 0) AS output_tokens,
        coalesce(reasoning_tokens, 0) AS reasoning_tokens,
        coalesce(cost_usd, CAST(0 AS DECIMAL(18, 9))) AS cost_usd,
        CASE WHEN cost_usd IS NULL THEN coalesce(requests, 0) ELSE 0 END AS unpriced_requests,
        known_at, kind, topic, partition, \"offset\",
        coalesce(event_id, concat(topic, '/', partition, '/', \"offset\")) AS id
      FROM usage_events
      WHERE kind = 'usage' AND coalesce(strpos(quality, 'counted_elsewhere'), 0) = 0
        AND (event_time_start IS NOT NULL OR event_time_end IS NOT NULL
          OR (aggregate IS NOT NULL AND aggregate))
    )
  )
  WHERE statement = 1
)
GROUP BY window_start, account, project, provider, key_id, model"
        )
    };
}

/// The views, in the order in which they build on one another.
pub(crate) const VIEWS: [View; 13] = [
    // Providers send buckets again while they are open, with larger amounts: to add them up would
    // count the same usage again. `usage_events` keeps each of them, so that it can be seen what
    // was known when. A row without an id is one of its own. What a topic says that is set to be
    // counted elsewhere is left out.
    View {
        name: "v_usage_latest",
        select: concat!("SELECT * FROM ", latest!("usage_events", "true")),
    },
    // The lines of bills, each as it was said last: providers restate them under their old id.
    View {
        name: "cost_lines",
        select: concat!("SELECT * FROM ", latest!("cost_events", "true")),
    },
    View {
        name: "usage_1m",
        select: summed!("calls_1m", "minute"),
    },
    View {
        name: "usage_1h",
        select: summed!("calls_1h", "hour"),
    },
    // From where was each key used, and when?
    View {
        name: "key_locations",
        select: "SELECT key_id, account, coalesce(source_ip, source_ip_prefix) AS address,
  min(asn) AS asn, min(country) AS country, min(event_time) AS first_seen,
  max(event_time) AS last_seen, sum(requests) AS requests, sum(cost_usd) AS cost_usd,
  max(known_at) AS known_at
FROM usage_events
WHERE key_id IS NOT NULL AND coalesce(source_ip, source_ip_prefix) IS NOT NULL
  AND coalesce(strpos(quality, 'counted_elsewhere'), 0) = 0
GROUP BY key_id, account, coalesce(source_ip, source_ip_prefix)",
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
            latest!("usage_events", "kind = 'usage' AND key_id IS NOT NULL AND event_time >= date_trunc('day', now())"),
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
            latest!(
                "usage_events",
                "kind = 'usage' AND event_time >= date_trunc('day', now()) - INTERVAL '35 days'"
            ),
            "
GROUP BY event_date, account, provider"
        ),
    },
    // From which addresses was a key used for the first time in the last week, that had been used
    // before from others?
    View {
        name: "v_new_addresses",
        select: "SELECT key_id, account, address, country, first_seen, last_seen, requests, cost_usd, known_at
FROM (
  SELECT *, min(first_seen) OVER (PARTITION BY key_id, account) AS key_first_seen
  FROM key_locations
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
    // Where are keys stored, and which of these have told of a breach?
    View {
        name: "vendors",
        select: "SELECT k.vendor, count(*) AS keys, count(DISTINCT k.account) AS accounts,
  min(n.noticed_at) AS noticed_at, max(k.known_at) AS known_at
FROM (SELECT unnest(vendors) AS vendor, account, known_at FROM keys) k
LEFT JOIN (
  SELECT vendor, min(time) AS noticed_at FROM changes WHERE type = 'vendor_notice' GROUP BY vendor
) n ON k.vendor = n.vendor
GROUP BY k.vendor",
    },
    // Which keys were stored with a vendor that told of a breach, and what became of each?
    View {
        name: "exposures",
        select: "SELECT vendor, key_id, account, project, provider, owner, noticed_at, rotated_at, off_at,
  CASE WHEN off_at IS NOT NULL THEN 'off'
    WHEN rotated_at IS NOT NULL THEN 'rotated' ELSE 'exposed' END AS state,
  coalesce(off_at, rotated_at, noticed_at) AS known_at
FROM (
  SELECT k.vendor, k.key_id, k.account, k.project, k.provider, k.owner,
    min(n.noticed_at) AS noticed_at, min(r.rotated_at) AS rotated_at, min(a.off_at) AS off_at
  FROM (
    SELECT unnest(vendors) AS vendor, key_id, account, project, provider, owner, created FROM keys
  ) k
  JOIN (
    SELECT vendor, account, min(time) AS noticed_at FROM changes
    WHERE type = 'vendor_notice' GROUP BY vendor, account
  ) n ON k.vendor = n.vendor AND (n.account IS NULL OR n.account = k.account)
    AND (k.created IS NULL OR k.created <= n.noticed_at)
  LEFT JOIN (
    SELECT replaces AS key_id, account, created AS rotated_at FROM keys WHERE replaces IS NOT NULL
    UNION ALL
    SELECT key_id, account, time AS rotated_at FROM changes
    WHERE type = 'key_rotated' AND key_id IS NOT NULL
  ) r ON k.key_id = r.key_id AND (r.account IS NULL OR k.account = r.account)
  LEFT JOIN (
    SELECT key_id, account, requested_at AS off_at FROM actions
    WHERE rung IN ('freeze', 'rotate', 'delete') AND state IN ('verified', 'already_gone')
  ) a ON k.key_id = a.key_id AND k.account = a.account
  GROUP BY k.vendor, k.key_id, k.account, k.project, k.provider, k.owner
)",
    },
    // Which exposed keys does a thief still have the use of?
    View {
        name: "v_exposed_keys",
        select: "SELECT * FROM exposures WHERE state = 'exposed'",
    },
    // How far is rotation after each vendor's breach?
    View {
        name: "v_rotation_progress",
        select: "SELECT vendor, min(noticed_at) AS noticed_at, count(*) AS keys,
  sum(CASE WHEN state = 'exposed' THEN 0 ELSE 1 END) AS done,
  sum(CASE WHEN state = 'exposed' THEN 1 ELSE 0 END) AS open,
  max(known_at) AS known_at
FROM exposures
GROUP BY vendor",
    },
];

/// The tables and views that a statement may name, and those that they build on: each costs
/// planning. Who asks what there is sees all.
pub(crate) struct Named {
    statement: String,
    all: bool,
    views: [bool; VIEWS.len()],
}

impl Named {
    /// Looks for names in a statement; it may find more than are meant, and never less.
    pub(crate) fn in_statement(statement: &str) -> Self {
        let statement = statement.to_lowercase();
        let mut named = Self {
            all: statement.contains("information_schema"),
            statement,
            views: [false; VIEWS.len()],
        };
        for at in (0..VIEWS.len()).rev() {
            named.views[at] = named.is_named(VIEWS[at].name);
        }
        named
    }

    /// Returns whether a table may be named, by the statement or by a view that it names.
    pub(crate) fn is_named(&self, table: &str) -> bool {
        self.all
            || self.statement.contains(table)
            || self.views().any(|view| view.select.contains(table))
    }

    /// Returns the views that may be named.
    pub(crate) fn views(&self) -> impl Iterator<Item = &'static View> {
        let views = VIEWS.iter().zip(self.views);
        views.filter_map(|(view, named)| named.then_some(view))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_there_for_who_names_it() {
        let names = |statement| -> Vec<_> {
            let named = Named::in_statement(statement);
            named.views().map(|view| view.name).collect()
        };
        assert_eq!(names("SELECT 1 FROM usage_events"), [] as [&str; 0]);
        let all = names("SELECT table_name FROM information_schema.tables");
        assert_eq!(all.len(), VIEWS.len());
        assert_eq!(
            names("select * from V_Key_Today join cost_lines"),
            ["cost_lines", "v_key_today"]
        );
        let named = Named::in_statement("SELECT * FROM usage_1h");
        let tables = ["usage_events", "calls_1h", "calls_1m", "cost_events"];
        assert_eq!(
            tables.map(|table| named.is_named(table)),
            [true, true, false, false]
        );
    }
}
