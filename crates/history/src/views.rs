//! Views over the table: what a question asks more often than the rows as they came.

/// Name and definition of each view, in the order in which they build on one another.
pub(crate) const VIEWS: [(&str, &str); 1] = [("v_usage_latest", V_USAGE_LATEST)];

/// `usage_events` without what was said twice: of the rows with one id, the one known last.
///
/// Providers send buckets again while they are open, with larger amounts, and restate billing
/// lines under their old id: to add them up would count the same usage again. `usage_events`
/// keeps each of them, so that it can be seen what was known when. A row without an id is one
/// of its own. What a topic says that is set to be counted elsewhere is left out.
const V_USAGE_LATEST: &str = "
SELECT * EXCEPT (statement)
FROM (
  SELECT *, row_number() OVER (
    PARTITION BY provider, account, kind,
      coalesce(event_id, concat(topic, '/', partition, '/', \"offset\"))
    ORDER BY known_at DESC, topic, partition, \"offset\" DESC
  ) AS statement
  FROM usage_events
  WHERE coalesce(strpos(quality, 'counted_elsewhere'), 0) = 0
)
WHERE statement = 1";
