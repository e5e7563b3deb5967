"""The style sheet of the report.

Rules:
1. Colours are variables; a reader whose system is dark gets the dark ones.
2. Nothing wraps and nothing is wider than the page: long text ends in an ellipsis, and a click or a tap shows it all.
3. On a narrow screen a row of a table becomes a card, in which each value has its name.
"""

from __future__ import annotations

CSS = """
:root{color-scheme:light dark;--page:#f5f6f8;--card:#fff;--text:#1d2329;--soft:#5c6670;--edge:#dfe3e8;--grid:#e7eaee;
--good:#1f8a7d;--bad:#c8414f;--again:#c77a12;--calm:#2f6690;--third:#7b5ea7;--pause:#e0982f;--note:#fdf3e1;
--note-edge:#e8cf9f}
@media (prefers-color-scheme:dark){:root{--page:#14181c;--card:#1c2127;--text:#e6e9ec;--soft:#9aa5b0;--edge:#323a43;
--grid:#2b323a;--good:#3fb8a8;--bad:#f0717d;--again:#f0ab4a;--calm:#6fb1e0;--third:#b89be6;--pause:#f0ab4a;
--note:#3a2f1a;--note-edge:#6b5526}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{font:15px/1.45 system-ui,sans-serif;color:var(--text);background:var(--page);margin:0;padding:1.5rem 1rem}
main{max-width:1120px;margin:auto}
h1{font-size:1.4rem;margin:0}h2{font-size:1rem;margin:0 0 .7rem}
h3{font-size:.8rem;font-weight:400;margin:-.5rem 0 .4rem}.legend+.plot+h3{margin-top:.7rem}
h1,h2,h3,.lead{color:var(--text)}h3,.lead,.soft{color:var(--soft)}
.lead{margin:.15rem 0}
.cut,h1,h2,h3,.lead{white-space:nowrap;overflow:hidden;text-overflow:ellipsis}
.cut:focus{white-space:normal;overflow-wrap:anywhere;outline:none}
.grid{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:1rem;margin-top:1rem}
.card{background:var(--card);border:1px solid var(--edge);border-radius:8px;padding:1rem;min-width:0}
.wide{grid-column:1/-1}
.three{grid-template-columns:repeat(auto-fit,minmax(min(100%,300px),1fr))}
.note{background:var(--note);border-color:var(--note-edge);margin-top:1rem;overflow-wrap:anywhere}
.tiles{display:flex;flex-wrap:wrap;gap:.7rem}
.tile{padding:.7rem .9rem;flex:1 0 auto}
.tile b{display:block;font-size:1.25rem;font-weight:600;line-height:1.3}
.tile span{color:var(--soft);font-size:.85rem}
.tile b,.tile span{white-space:nowrap;overflow:hidden;text-overflow:ellipsis}
.tile.bad b{color:var(--bad)}.tile.good b{color:var(--good)}
pre{margin:0;overflow-x:auto;font:.85rem/1.5 ui-monospace,monospace}
.legend{display:flex;flex-wrap:wrap;gap:.1rem 1rem;font-size:.8rem;color:var(--soft);min-height:1.3em}
.legend span{white-space:nowrap;max-width:100%;overflow:hidden;text-overflow:ellipsis}
.legend i{display:inline-block;width:.9rem;height:.65rem;margin-right:.35rem;border-radius:2px;background:var(--c)}
.legend i.line,.legend i.dash{height:0;border-radius:0;background:none;border-top:2px solid var(--c);
margin-bottom:.2rem}
.legend i.dash{border-top-style:dashed}
.legend i.band{opacity:.45}.legend i.strip{height:.35rem;margin-bottom:.15rem}
.plot{display:grid;grid-template-columns:3.8rem minmax(0,1fr);grid-template-rows:9.5rem 1.4rem;column-gap:.4rem;
padding:.6rem 1.4rem 0 0;font-size:.75rem;color:var(--soft)}
.plot svg{width:100%;height:100%;display:block;overflow:visible}
.ups,.acrosses{position:relative}
.ups span{position:absolute;right:0;transform:translateY(50%);white-space:nowrap}
.acrosses{grid-column:2}
.acrosses span{position:absolute;top:.2rem;transform:translateX(-50%);white-space:nowrap}
svg path{vector-effect:non-scaling-stroke}
.grid-line,.over{fill:none}
.grid-line{stroke:var(--grid);stroke-width:1}
.area{fill:var(--c)}.line{fill:none;stroke:var(--c);stroke-width:1.8;stroke-linejoin:round}
.bin{fill:var(--calm);stroke:var(--card);stroke-width:1}
.band{fill:var(--c);fill-opacity:.3}.strip{fill:var(--c)}
.mark{fill:none;stroke-width:1.5;stroke-dasharray:5 4}
.over{pointer-events:all}.over:hover{fill:var(--text);fill-opacity:.08}
table{border-collapse:collapse;width:100%;font-size:.85rem}
th,td{text-align:left;padding:.3rem .9rem .3rem 0;border-bottom:1px solid var(--grid);vertical-align:top;
white-space:nowrap}
tr:last-child td,tr:last-child th{border-bottom:0}
th{color:var(--soft);font-weight:500}
.rows tr:first-child th{border-bottom:1px solid var(--grid)}
.n{text-align:right;font-variant-numeric:tabular-nums}
td.text{max-width:0;width:100%}
td.name{max-width:15rem}
.bars td{border:0;vertical-align:middle}
.bars td.name{max-width:11rem}
.bars td.track{width:100%}
.bars i{display:block;height:.8rem;min-width:2px;border-radius:2px;background:var(--c)}
@media (max-width:760px){
body{padding:.8rem .6rem}
.grid{grid-template-columns:minmax(0,1fr);gap:.7rem;margin-top:.7rem}
.tiles{display:grid;grid-template-columns:repeat(3,minmax(0,1fr))}
.tile{padding:.5rem .6rem}.tile b{font-size:1.05rem}.tile span{font-size:.78rem}
.card{padding:.8rem}
.plot{grid-template-columns:3.2rem minmax(0,1fr);padding-right:1rem}
.bars td.name{max-width:7rem}
.rows,.rows tbody,.facts,.facts tbody{display:block;max-width:100%}
.rows tr:first-child{display:none}
.rows tr{display:flex;flex-wrap:wrap;gap:.1rem 1rem;padding:.5rem 0;border-bottom:1px solid var(--grid)}
.rows tr:last-child{border-bottom:0}
.rows td{border:0;padding:0;text-align:left}
.rows td:empty{display:none}
.rows td.wide,.rows td.text,.rows td.name{flex-basis:100%;max-width:100%;width:auto}
.rows td.n::before{content:attr(data-name) " ";color:var(--soft)}
.facts tr{display:block;padding:.3rem 0;border-bottom:1px solid var(--grid)}
.facts th,.facts td{display:block;border:0;padding:0;max-width:100%!important;width:auto!important}
}
"""
