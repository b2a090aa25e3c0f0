/** The page's only style sheet. Colours are chosen for a contrast of at least 4.5 to 1 on each ground that they stand on. */
export const style = `
:root{color-scheme:light dark;--ground:#fff;--text:#1b1f24;--quiet:#57606a;--link:#0550ae;--line:#d0d7de;--edge:#57606a;--panel:#f6f8fa;--ok:#116329;--warn:#7d4e00;--bad:#a40e26;--focus:#0969da}
@media (prefers-color-scheme:dark){:root{--ground:#0d1117;--text:#e6edf3;--quiet:#9da7b3;--link:#79c0ff;--line:#30363d;--edge:#9da7b3;--panel:#161b22;--ok:#7ee787;--warn:#e3b341;--bad:#ffa198;--focus:#79c0ff}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--text);font:15px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
a{color:var(--link)}
:focus-visible{outline:3px solid var(--focus);outline-offset:2px}
h2:focus{outline:none}
header,main,footer{max-width:90rem;margin:0 auto;padding:.75rem 1rem}
header{display:flex;flex-wrap:wrap;gap:.25rem 1rem;align-items:baseline;border-bottom:1px solid var(--line)}
h1{font-size:1.25rem;margin:0}
h2{font-size:1.1rem;margin:1.5rem 0 .5rem}
.skip{position:absolute;left:-99rem}
.skip:focus{left:1rem;top:.5rem;background:var(--ground);padding:.25rem .5rem;z-index:1}
.unseen{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
.quiet{color:var(--quiet)}
.state,time{white-space:nowrap}
.ok{color:var(--ok)}.warn{color:var(--warn)}.bad{color:var(--bad)}
.facts{display:flex;flex-wrap:wrap;gap:.5rem;margin:.5rem 0}
.facts>div{background:var(--panel);border:1px solid var(--line);border-radius:6px;padding:.4rem .75rem;min-width:8rem}
dt{color:var(--quiet);font-size:.85rem}
dd{margin:0}
.reason dd{margin-bottom:.75rem}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.3rem .6rem .3rem 0;border-bottom:1px solid var(--line);min-width:4rem;overflow-wrap:break-word}
thead th{color:var(--quiet);font-weight:600;font-size:.85rem}
tbody th{font-weight:600;min-width:11rem}
.num{text-align:right;font-variant-numeric:tabular-nums;width:5.5rem;min-width:5.5rem}
.filter{display:flex;flex-wrap:wrap;gap:.5rem 1rem;align-items:center;margin:.5rem 0}
input,select,button{font:inherit;color:inherit;background:var(--panel);border:1px solid var(--edge);border-radius:6px;padding:.3rem .6rem;max-width:100%}
button{cursor:pointer}
button[hidden]{display:none}
.pager{display:flex;gap:1rem;margin:.5rem 0}
ul{padding-left:1.25rem;margin:.25rem 0}
.picture{display:block}
.picture text{fill:var(--text);font-size:13px}
.picture .head,.picture .detail,.picture .edge text{fill:var(--quiet);font-size:12px}
.picture rect{fill:var(--panel);stroke:var(--edge)}
.picture .box.bad rect{stroke:var(--bad);stroke-width:2}
.picture path{fill:none;stroke:var(--edge);stroke-width:1.5}
.picture .edge.bad path{stroke:var(--bad);stroke-dasharray:6 4}
.picture .edge text{paint-order:stroke;stroke:var(--ground);stroke-width:4px}
.picture .edge.bad text{fill:var(--bad)}
@media (max-width:48rem){
body{font-size:14px}
table,tbody{display:block}
thead{display:none}
tr{display:flex;flex-wrap:wrap;gap:0 1.25rem;padding:.4rem 0;border-bottom:1px solid var(--line)}
th,td{border:0;padding:0;min-width:0}
tbody th{flex-basis:100%}
td:empty{display:none}
td::before{content:attr(data-of) ' ';color:var(--quiet)}
.num{text-align:left;width:auto;min-width:0}
}
`;
