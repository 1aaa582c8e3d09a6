"""Holding a proxied transcript against the direct one: identical, apart from the masks."""

# What the rules of policies/hospital.toml mask, by column name; everything else has to be identical.
MASKED = {
    "ssn", "mrn", "full_name", "aliases", "dob", "phone", "email", "address", "city", "zip", "mbi", "account_no", "npi",
    "portal_id", "contact", "last_ip", "photo", "notes", "body",
}
# zip3 leaves a code that ends in 00 as it is.
MAY_STAY = {"zip"}


def is_masked(column):
    """Whether an agent must not see this column as it is."""
    return column in MASKED or column.startswith("v_")


def table_differences(direct, proxied):
    """What is wrong with a masked result."""
    if "error" in proxied or "rows" not in proxied or "rows" not in direct:
        return [f"no rows: {str(proxied)[:500]}"]
    if direct["columns"] != proxied["columns"]:
        return [f"columns {direct['columns']} became {proxied['columns']}"]
    if len(direct["rows"]) != len(proxied["rows"]):
        return [f"{len(direct['rows'])} rows became {len(proxied['rows'])}"]
    wrong = []
    for number, (left, right) in enumerate(zip(direct["rows"], proxied["rows"], strict=True)):
        for column, before, after in zip(direct["columns"], left, right, strict=True):
            if not is_masked(column):
                if before != after:
                    wrong.append(f"row {number}: {column} changed: {before!r} became {after!r}")
            elif before is not None and before == after and column not in MAY_STAY:
                wrong.append(f"row {number}: {column} came unmasked: {before!r}")
    return wrong


def rightly_different(step, direct, proxied):
    """Where the proxy means to answer something else than the server, and how."""
    text = str(proxied)
    if "SELEC" in step or step == "syntax error":
        # What cannot be parsed is refused, not passed; the refusal shows where reading stopped.
        return "SELEC" in text and ("syntax" in text or "could not read" in text or "not analysed" in text)
    if step == "copy out of a missing table":
        # A relation that the catalog does not know is refused before the server can say that there is none.
        return "analytics.missing" in text and "catalog does not know" in text
    if step == "prepare":
        # MySQL's PREPARE … FROM runs a text that the analysis does not follow: it is refused where data is protected.
        return "a statement prepared by SQL" in text
    # SHOW WARNINGS quotes values: what it says is withheld, that there is something is not.
    return step == "warnings" and "'***\\t0\\t***'" in text


def differences(direct, proxied):
    """Every step that is not as it should be, as text."""
    wrong = []
    if list(direct) != list(proxied):
        wrong.append(f"steps differ: {[s for s in direct if s not in proxied]} missing")
    for name, before in direct.items():
        after = proxied.get(name)
        if name.startswith("masked") and "rows" in (before or {}):
            wrong += [f"{name}: {problem}" for problem in table_differences(before, after)[:5]]
        elif before != after and not rightly_different(name, before, after):
            wrong.append(f"{name}:\n  direct:  {str(before)[:600]}\n  proxied: {str(after)[:600]}")
    return wrong
