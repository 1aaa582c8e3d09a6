//! Known limits, each shown by what it does: safe, but less than one could wish.

mod hospital;

use hospital::{my, pg, summary};

/// A routine of the user hides the engine's own of the same name, whatever the arguments' types.
#[test]
fn an_overloaded_builtin_is_opaque() {
    assert!(summary(&pg("SELECT lower(item) FROM orders")).contains("opaque routine lower"));
}

/// Users' routines are opaque, immutable ones too, unless they are C.
#[test]
fn users_routines_are_opaque() {
    assert!(summary(&pg("SELECT getp(1)")).contains("opaque routine getp"));
    assert_eq!(
        summary(&pg("SELECT similarity(item, 'x') FROM orders")),
        "select similarity<orders.item | where orders.item:Comparison"
    );
}

/// Set operations are never bare, even over one column: the server drops the origin as well.
#[test]
fn a_union_of_one_column_is_computed() {
    assert_eq!(summary(&pg("SELECT ssn FROM patients UNION ALL SELECT ssn FROM patients")), "select ssn<patients.ssn");
}

/// `unnest` of values whose type is not known may be rows with more columns than one.
#[test]
fn unnest_of_an_unknown_type_has_unknown_columns() {
    assert!(
        summary(&pg("SELECT * FROM unnest(ARRAY(SELECT item FROM orders))")).contains("unknown: the columns of unnest")
    );
    assert_eq!(summary(&pg("SELECT u FROM unnest(ARRAY(SELECT item FROM orders)) u")), "select u<orders.item");
}

/// Temporary tables live in the session, not in the catalog snapshot; what a text has just made of columns that it tells is known
/// to the rest of it.
#[test]
fn a_temporary_table_is_unknown() {
    let facts = pg("CREATE TEMP TABLE IF NOT EXISTS z (id int); SELECT id FROM z");
    assert_eq!(facts.unknown_relations, ["z"]);
    assert_eq!(pg("SELECT id FROM z").unknown_relations, ["z"]);
}

/// Triggers and rewrite rules of tables are not in the catalog: what they do is not seen.
#[test]
fn triggers_are_not_seen() {
    assert_eq!(
        summary(&pg("UPDATE orders SET item = 'x' WHERE id = 1")),
        "update none | where orders.id:Equality | writes orders.item<"
    );
}

/// EXECUTE without session objects, and SQL texts in MySQL, are opaque.
#[test]
fn prepared_names_without_a_session_are_opaque() {
    assert!(summary(&pg("EXECUTE q")).contains("opaque prepared statement q"));
    assert!(summary(&my("PREPARE s FROM 'SELECT 1'")).contains("opaque a statement prepared by SQL"));
}

/// What sqlparser does not read is refused as a whole.
#[test]
fn mysql_that_the_parser_does_not_read_is_refused() {
    for sql in ["SELECT id FROM orders FOR SYSTEM_TIME ALL", "SELECT name_const('a', 1)"] {
        let said = summary(&my(sql));
        assert!(said.starts_with("unparsed") || said.contains("opaque"), "{sql}: {said}");
    }
}

/// Hundreds of conditions in one WHERE nest as deep in sqlparser's tree.
#[test]
fn long_condition_chains_are_refused_on_mysql_only() {
    let sql = format!("SELECT id FROM orders WHERE id = 1{}", " OR id = 2".repeat(2_000));
    assert!(summary(&my(&sql)).starts_with("unparsed: the text nests too deeply"));
    assert!(summary(&pg(&sql)).starts_with("select id=orders.id"));
}

/// A parameter's type is not known: in MySQL a number bound to `ssn = ?` compares by number.
#[test]
fn a_parameter_counts_as_a_key_whatever_is_bound() {
    assert_eq!(
        summary(&my("SELECT id FROM patients WHERE ssn = ?")),
        "select id=patients.id | where patients.ssn:Equality"
    );
}

/// Conditions that a view's author wrote count like the client's.
#[test]
fn a_views_conditions_are_predicates() {
    assert!(summary(&pg("SELECT zip FROM deep")).contains("where patients.id:Comparison"));
}

/// The catalog does not say which columns are generated: COPY leaves them out, the facts do not.
#[test]
fn copy_lists_every_column_of_the_catalog() {
    assert_eq!(summary(&pg("COPY orders TO STDOUT")), "copy-out id=orders.id item=orders.item total=orders.total");
}
