//! MySQL's and MariaDB's own functions, as far as they compute only from their arguments.

use crate::Catalog;
use crate::ir::Name;
use crate::lineage::Nature;
use std::collections::HashSet;
use std::sync::OnceLock;

/// Functions that compute from their arguments, the clock, the session's settings and structure. What is not here is
/// opaque: LOAD_FILE, SYS_EXEC, MASTER_POS_WAIT, DECODE_HISTOGRAM, stored and loadable functions …
const PURE: &str = "abs acos adddate addtime aes_decrypt aes_encrypt any_value ascii asin atan atan2 avg benchmark bin \
    bin_to_uuid bit_and bit_count bit_length bit_or bit_xor cast ceil ceiling char char_length character_length charset \
    coalesce coercibility collation compress concat concat_ws connection_id conv convert convert_tz cos cot count crc32 \
    cume_dist curdate current_date current_role current_time current_timestamp current_user curtime database date \
    date_add date_format date_sub datediff day dayname dayofmonth dayofweek dayofyear decode default degrees dense_rank \
    elt encode exp export_set extract extractvalue field find_in_set first_value floor format format_bytes found_rows \
    from_base64 from_days from_unixtime get_format greatest group_concat grouping hex hour if ifnull inet6_aton \
    inet6_ntoa inet_aton inet_ntoa insert instr interval is_free_lock is_ipv4 is_ipv6 is_used_lock is_uuid isnull \
    json_array json_array_append json_array_insert json_arrayagg json_contains json_contains_path json_depth json_detailed \
    json_exists json_extract json_insert json_keys json_length json_loose json_compact json_merge json_merge_patch \
    json_merge_preserve json_object json_objectagg json_overlaps json_pretty json_query json_quote json_remove json_replace \
    json_search json_set json_storage_size json_type json_unquote json_valid json_value lag last_day last_value lcase lead \
    least left length ln locate log log10 log2 lower lpad ltrim make_set makedate maketime max md5 median microsecond mid \
    min minute mod month monthname natural_sort_key now nth_value ntile nullif nvl nvl2 oct octet_length ord percent_rank \
    percentile_cont percentile_disc period_add period_diff pi position pow power quarter quote radians rand random_bytes \
    rank regexp_instr regexp_like regexp_replace regexp_substr repeat replace reverse right round row_count row_number \
    rpad rtrim schema sec_to_time second session_user sformat sha sha1 sha2 sign sin sleep soundex space sqrt std stddev \
    stddev_pop stddev_samp str_to_date strcmp subdate substr substring substring_index subtime sum sysdate system_user tan \
    time time_format time_to_sec timediff timestamp timestampadd timestampdiff to_base64 to_char to_days to_seconds trim \
    truncate ucase uncompress uncompressed_length unhex unix_timestamp updatexml upper user utc_date utc_time \
    utc_timestamp uuid uuid_short uuid_to_bin var_pop var_samp variance version week weekday weekofyear weight_string \
    year yearweek st_asbinary st_astext st_asgeojson st_area st_buffer st_centroid st_contains st_crosses st_difference \
    st_dimension st_disjoint st_distance st_distance_sphere st_endpoint st_envelope st_equals st_geohash \
    st_geometrytype st_geomfromgeojson st_geomfromtext st_geomfromwkb st_intersection st_intersects st_isempty \
    st_issimple st_isvalid st_latitude st_length st_linefromtext st_longitude st_numpoints st_overlaps st_pointfromtext \
    st_polyfromtext st_simplify st_srid st_startpoint st_symdifference st_touches st_transform st_union st_within st_x \
    st_y point linestring polygon multipoint multilinestring multipolygon geometrycollection";

/// What goes in may come out elsewhere.
const SINKS: [&str; 7] =
    ["last_insert_id", "get_lock", "release_lock", "release_all_locks", "nextval", "setval", "lastval"];

/// Functions that no argument makes fail: in MySQL what does not fit gives a warning or NULL.
pub(crate) fn never_fails(name: &str) -> bool {
    const MAY: [&str; 19] = [
        "updatexml",
        "extractvalue",
        "exp",
        "pow",
        "power",
        "cot",
        "uuid_to_bin",
        "bin_to_uuid",
        "benchmark",
        "sleep",
        "convert",
        "cast",
        "abs",
        "regexp_instr",
        "regexp_like",
        "regexp_replace",
        "regexp_substr",
        "char",
        "repeat",
    ];
    pure().contains(name) && !MAY.contains(&name) && !name.starts_with("json_") && !name.starts_with("st_")
}

fn pure() -> &'static HashSet<&'static str> {
    static NAMES: OnceLock<HashSet<&'static str>> = OnceLock::new();
    NAMES.get_or_init(|| PURE.split_whitespace().collect())
}

/// What a function may do. Stored functions are opaque, and so is a native one that a stored one may hide behind.
pub(crate) fn nature(catalog: &Catalog, name: &Name, path: &[String]) -> Option<Nature> {
    let lower = name.name.to_lowercase();
    let stored = |spelling: &str| {
        catalog
            .routines(spelling)
            .iter()
            .any(|routine| !routine.builtin && path.iter().any(|own| own.eq_ignore_ascii_case(&routine.schema)))
    };
    if name.schema.is_some() || stored(&name.name) || stored(&lower) {
        return None;
    }
    if pure().contains(lower.as_str()) {
        return Some(Nature::Pure);
    }
    SINKS.contains(&lower.as_str()).then_some(Nature::Sink)
}
