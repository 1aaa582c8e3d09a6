//! Pieces of the report's page: text, tables, bars. Every table and chart has an id, by which `verify.py` finds it again.

use crate::visible::one_line;

/// Text as it stands in HTML; what a reader does not see is shown by its number.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in one_line(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// A table, or a sentence when there is nothing to show.
pub(super) fn table(out: &mut String, id: &str, header: &[&str], rows: &[Vec<String>], none: &str) {
    if rows.is_empty() {
        out.push_str(&format!("<p class=none>{none}</p>\n"));
        return;
    }
    out.push_str(&format!("<table id={id}><thead><tr>"));
    header.iter().for_each(|name| out.push_str(&format!("<th scope=col>{}</th>", escape(name))));
    out.push_str("</tr></thead><tbody>\n");
    for row in rows {
        out.push_str("<tr>");
        for cell in row {
            // Only what is long may break within a word.
            let class = if cell.len() > 40 { " class=l" } else { "" };
            out.push_str(&format!("<td{class}>{}</td>", escape(cell)));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table>\n");
}

/// Bars beside their names. One alone says no more than the table below it, and is left out.
pub(super) fn bars(out: &mut String, id: &str, title: &str, values: &[(String, u64)]) {
    if values.len() < 2 {
        return;
    }
    let most = values.iter().map(|(_, value)| *value).max().unwrap_or(0).max(1);
    let height = values.len() * 24;
    let title = escape(title);
    out.push_str(&format!(
        "<figure><figcaption>{title}</figcaption><svg id={id} viewBox=\"0 0 720 {height}\" role=img aria-label=\"{title}\">\n"
    ));
    for (at, (name, value)) in values.iter().enumerate() {
        let (y, width) = (at * 24, value.saturating_mul(380).div_ceil(most));
        let count = name.chars().count();
        let mut short: String = name.chars().take(38).collect();
        if count > 38 {
            short.push('…');
        }
        out.push_str(&format!(
            "<g><text x=250 y={} text-anchor=end>{}</text><rect x=258 y={} width={width} height=15 rx=2 /><text class=n x={} y={}>{value}</text></g>\n",
            y + 16,
            escape(&short),
            y + 4,
            266 + width,
            y + 16
        ));
    }
    out.push_str("</svg></figure>\n");
}

/// The style: readable on a screen, and on paper without lost rows or headings.
pub(crate) const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}h1{font-size:1.7rem;margin-bottom:.2rem}h2{margin-top:2.4rem;border-bottom:1px solid #ccc;font-size:1.2rem}table{border-collapse:collapse;width:100%;font-size:13px;margin:.6rem 0}th,td{text-align:left;padding:.3rem .5rem;border-bottom:1px solid #ddd;vertical-align:top}.l{overflow-wrap:anywhere}td:first-child:not(.l){white-space:nowrap}th{background:#f4f5f7;white-space:nowrap}.none{color:#666}.big{display:flex;gap:2rem;flex-wrap:wrap}.big div{font-size:1.6rem}.big small{display:block;font-size:.8rem;color:#555}.note{background:#fff7e0;border-left:4px solid #d9a400;padding:.5rem .8rem}nav{font-size:13px;color:#555}figure{margin:1rem 0}figcaption{font-size:13px;color:#555}svg{width:100%;max-width:720px;font-size:12px}rect{fill:#3b6ea5}.n{fill:#555}@page{margin:16mm}@media print{body{margin:0;max-width:none;font-size:11px}table{font-size:9.5px}nav{display:none}h2{break-after:avoid}tr,svg,figure{break-inside:avoid}thead{display:table-header-group}a{color:inherit;text-decoration:none}}";
