"""How the page of a demo looks, by day and by night."""

CSS = """
:root {
  color-scheme: light dark;
  --paper: #fbfaf8; --card: #ffffff; --ink: #22252a; --soft: #6a6f78; --rule: #e4e1dc;
  --accent: #b4552d; --stage: #b4552d14;
  --c0: #2f6fb5; --c1: #c26a1b; --c2: #2f8a5b; --c3: #a43d7c; --c4: #6c5bb0; --c5: #7d7a33;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #16181c; --card: #1e2126; --ink: #e6e4df; --soft: #9a9fa8; --rule: #32363d;
    --accent: #e9916a; --stage: #e9916a1c;
    --c0: #79b1ee; --c1: #eca35c; --c2: #6fcb9b; --c3: #e486be; --c4: #ab9cf0; --c5: #c9c46c;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 17px/1.55 ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
}
main { max-width: 62rem; margin: 0 auto; padding: 3.5rem 1.25rem 5rem; }
h1 { font-size: clamp(1.9rem, 5vw, 2.9rem); line-height: 1.12; letter-spacing: -0.02em; margin: 0; }
h2 { font-size: 1.35rem; letter-spacing: -0.01em; margin: 3.5rem 0 0.35rem; }
p { margin: 0.35rem 0 1rem; max-width: 44rem; }
.lead { font-size: 1.12rem; color: var(--soft); margin-top: 0.9rem; }
figcaption, footer { color: var(--soft); font-size: 0.92rem; }
a { color: var(--accent); }
figure { margin: 1.25rem 0 0; }
figcaption { margin-top: 0.5rem; }
img, video { display: block; width: 100%; height: auto; border-radius: 8px; }
video { max-width: 52rem; }
.tiles { display: flex; flex-wrap: wrap; gap: 0.9rem; margin: 1.5rem 0 0; padding: 0; }
.tiles > div {
  flex: 1 1 11rem; background: var(--card); border: 1px solid var(--rule); border-radius: 12px;
  padding: 0.9rem 1.1rem;
}
.tiles b { display: block; font-size: 1.75rem; letter-spacing: -0.02em; line-height: 1.2; }
.tiles span { color: var(--soft); font-size: 0.9rem; }
.sides { display: grid; grid-template-columns: 1.6rem minmax(0, 1fr); gap: 0 0.5rem; }
.sides > div {
  display: grid; grid-template-rows: 1fr 1fr; justify-items: center; align-items: center;
  color: var(--soft); font-size: 0.85rem;
}
.sides > div span { writing-mode: vertical-rl; transform: rotate(180deg); }
.angles { display: flex; color: var(--soft); font-size: 0.85rem; padding-left: 2.1rem; }
.angles span { flex: 1; text-align: center; }
.mixing {
  display: grid; gap: 0.5rem; max-width: 44rem;
  grid-template-columns: minmax(0, 1fr) minmax(0, var(--columns));
}
.mixing > :first-child { align-self: center; justify-self: center; text-align: center; }
.people, .charts {
  display: grid; gap: 1.4rem;
  grid-template-columns: repeat(auto-fit, minmax(min(24rem, 100%), 1fr));
}
svg { display: block; width: 100%; height: auto; font-size: 12px; }
svg path { stroke: var(--rule); }
svg text { fill: var(--soft); }
svg .before { text-anchor: end; }
svg .below { text-anchor: middle; }
svg .stage { fill: var(--stage); }
svg polyline { fill: none; stroke-width: 2; stroke-linejoin: round; stroke: var(--line); }
svg, .legend { --line: var(--ink); }
.features { --line: var(--c0); }
.raw { --line: var(--c1); }
.image { --line: var(--c2); }
.adversarial { --line: var(--c3); }
.pixels { --line: var(--c4); }
.consistency { --line: var(--c5); }
.legend {
  display: flex; flex-wrap: wrap; gap: 0.2rem 1.1rem; list-style: none; margin: 0.5rem 0 0;
  padding: 0; font-size: 0.88rem; color: var(--soft);
}
.legend i {
  display: inline-block; width: 0.75em; height: 0.75em; border-radius: 50%; margin-right: 0.4em;
  background: var(--line);
}
.legend b { color: var(--ink); font-weight: 600; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin-top: 1rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.4rem 1.1rem 0.4rem 0; text-align: right; border-bottom: 1px solid var(--rule); }
th { font-weight: 500; color: var(--soft); font-size: 0.92rem; }
th:first-child, td:first-child { text-align: left; }
td b { color: var(--accent); }
pre {
  margin: 0.2rem 0 1.1rem; padding: 0.75rem 1rem; overflow-x: auto; background: var(--card);
  border: 1px solid var(--rule); border-radius: 10px; font: 0.86rem/1.5 ui-monospace, monospace;
}
footer { margin-top: 4rem; padding-top: 1rem; border-top: 1px solid var(--rule); }
"""
