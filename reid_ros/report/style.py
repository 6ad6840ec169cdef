"""The look of report.html, in light and dark, on a phone and on a desk."""

CSS = """
:root{color-scheme:light dark;--ground:#f6f7f9;--card:#fff;--ink:#1b1f24;--quiet:#66707c;
--line:#e2e6eb;--warn:#9a5b00;--warnground:#fff6e5;--meter:#5b8def}
@media(prefers-color-scheme:dark){:root{--ground:#14171b;--card:#1d2127;--ink:#e8ebef;
--quiet:#98a2ae;--line:#2f353d;--warn:#ffc46b;--warnground:#2d2414;--meter:#6f9df5}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}
header,main{max-width:1080px;margin:0 auto;padding:0 16px}
header{padding-top:28px}
h1{font-size:26px;margin:0 0 14px;letter-spacing:-.01em}
h2{font-size:17px;margin:0 0 12px}
h3{font-size:16px;margin:0}
h3 em{font-style:normal;font-weight:400;font-size:12px;color:var(--quiet);
border:1px solid var(--line);border-radius:9px;padding:1px 7px;margin-left:6px;vertical-align:1px}
small,.quiet{color:var(--quiet);font-weight:400}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(118px,1fr));gap:10px}
.tiles div{background:var(--card);border:1px solid var(--line);border-radius:10px;
padding:10px 14px}
.tiles b{display:block;font-size:22px;line-height:1.25;font-variant-numeric:tabular-nums}
.tiles span{color:var(--quiet);font-size:13px}
section{background:var(--card);border:1px solid var(--line);border-radius:12px;
padding:18px;margin:16px 0}
.warn,.notes{background:var(--warnground);color:var(--warn);border-color:transparent}
.warn{border-radius:10px;padding:10px 14px;margin:12px 0 0}
.notes ul{margin:0;padding-left:18px}
.notes li{overflow-wrap:anywhere}
.time{display:grid;grid-template-columns:minmax(44px,max-content) max-content 1fr;
column-gap:12px;row-gap:8px}
.who{font-weight:600;white-space:nowrap;line-height:16px;max-width:160px;overflow:hidden;
text-overflow:ellipsis}
i{display:inline-block;width:10px;height:10px;border-radius:3px;margin-right:7px}
.lanes span{display:block;font-size:11px;line-height:16px;color:var(--quiet);max-width:120px;
overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.bars{display:block;overflow:visible}
.rail{stroke:var(--line);stroke-width:1}
.tick{stroke:var(--quiet)}
.axis text{fill:var(--quiet);font-size:11px}
.people{display:grid;gap:22px;grid-template-columns:minmax(0,1fr)}
article{border-left:5px solid var(--who);padding:2px 0 2px 14px;min-width:0}
article p{margin:2px 0 8px;font-size:13px;overflow-wrap:anywhere}
.strip{display:flex;gap:8px;overflow-x:auto;padding-bottom:6px}
figure{margin:0;flex:none}
img{height:150px;display:block;border-radius:6px;background:var(--line)}
figcaption{font-size:11px;line-height:1.35;color:var(--quiet);margin-top:4px}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th{font-size:12px;color:var(--quiet);font-weight:500;text-align:left;padding:0 12px 6px 0}
td{border-top:1px solid var(--line);padding:6px 12px 6px 0;white-space:nowrap}
td.place{white-space:normal;overflow-wrap:anywhere;min-width:140px}
.n{text-align:right}
th.n{text-align:right}
.meter{width:50%;min-width:80px;padding-right:0}
.meter span{display:block;height:8px;border-radius:4px;background:var(--meter);min-width:2px}
dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 14px;margin:14px 0 0;
font-size:13px}
dt{color:var(--quiet)}
dd{margin:0;overflow-wrap:anywhere}
summary{cursor:pointer}
summary h2{display:inline}
details[open] summary{margin-bottom:12px}
@media(max-width:600px){header,main{padding:0 10px}header{padding-top:18px}section{padding:14px}
img{height:120px}.time{column-gap:8px}.lanes span{max-width:56px}.who{max-width:76px}}
"""

VERDICT = """
:root{--wrong:#c62828;--open:#9aa4b0;--gone:#d5dae0}
@media(prefers-color-scheme:dark){:root{--wrong:#ff6b60;--open:#77828f;--gone:#3a424c}}
.verdict h3{display:inline;font-size:14px}
.verdict .tiles{margin-bottom:14px;grid-template-columns:repeat(4,1fr)}
@media(max-width:600px){.verdict .tiles{grid-template-columns:repeat(2,1fr)}}
.verdict .tiles div{background:var(--ground)}
.verdict details{margin-top:12px}
.verdict td:first-child{width:190px}
.verdict table+p{margin-top:8px}
.verdict .time{row-gap:12px}
.key{font-size:12px;color:var(--quiet);margin:14px 0 0}
.key span{margin-right:16px;white-space:nowrap}
rect.open,i.open{fill:var(--open);background:var(--open)}
rect.gone,i.gone{fill:var(--gone);background:var(--gone)}
rect.other{fill:var(--wrong)}
i.own{background:var(--meter)}
i.other{background:var(--meter);border-bottom:3px solid var(--wrong);border-radius:0}
line.flip{stroke:var(--ink);stroke-width:2}
i.flip{background:var(--ink);width:3px;border-radius:0}
.scenes h3{display:block;margin:14px 0 6px}
.scenes img{height:auto;width:325px;max-width:80vw}
"""

SHEET = """
.query{display:flex;gap:18px;align-items:flex-start;flex-wrap:wrap}
.query>img{height:200px;border:3px solid var(--meter)}
.query>div{flex:1;min-width:240px}
.query p{margin:0 0 10px;overflow-wrap:anywhere}
.query .warn{margin:12px 0 0}
.sheet{display:grid;gap:16px 12px;grid-template-columns:repeat(auto-fill,minmax(132px,1fr))}
.sheet figure{min-width:0}
.sheet img{width:100%;height:220px;object-fit:contain;background:var(--ground)}
.sheet figcaption{font-size:12px;overflow-wrap:anywhere}
.sheet figcaption b{font-size:14px;color:var(--ink)}
.sheet em{font-style:normal;color:var(--ink);float:right}
.sheet .meter{display:inline-block;width:44%;min-width:0;margin:0 0 0 8px;padding:0}
"""
