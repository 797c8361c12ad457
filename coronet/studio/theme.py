"""How the page looks: fonts that every system has, colours with enough contrast, and the style sheet. No words here."""

import gradio as gr

from coronet.studio.learn.style import LESSON_CSS

CSS = """
.gradio-container { width: 100% !important; max-width: 1240px !important; margin: 0 auto !important; }
h1 { font-size: 1.9rem !important; margin: 0.4rem 0 0 !important; }
h2 { font-size: 1.25rem !important; margin: 1.2rem 0 0 !important; }
.lead { font-size: 1.05rem; max-width: 46rem; }
.ratio label { display: flex; justify-content: space-between; align-items: baseline; font-weight: 600; }
.ratio output { font-size: 1.5rem; font-variant-numeric: tabular-nums; }
.ratio input[type=range] { width: 100%; height: 1.6rem; margin: 0.1rem 0 0; accent-color: var(--color-accent);
  cursor: pointer; }
.ratio .ticks { position: relative; height: 1.2rem; margin: 0 0.5rem; font-size: 0.8rem; }
.ratio .ticks span { position: absolute; transform: translateX(-50%); }
table.numbers { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
.numbers-panel caption { text-align: left; font-weight: 600; padding: 0.2rem 0; }
.numbers-panel table, .numbers-panel thead, .numbers-panel tr { border: 0 !important; }
.numbers-panel th, .numbers-panel td { padding: 0.25rem 0.6rem 0.25rem 0 !important; text-align: right !important;
  border: 0 !important; border-bottom: 1px solid var(--border-color-primary) !important; }
.numbers-panel td { white-space: nowrap; }
.numbers-panel th:first-child { text-align: left !important; font-weight: 400; }
.picture img { width: 100%; height: auto; min-height: min(18rem, 40vw); max-height: 24rem; object-fit: contain; }
.nav-holder { display: none; } /* Gradio's list of pages: the teacher knows the address of the other one */
#choosing, #jobs-bar { align-items: flex-end; }
#teacher-form { max-width: 30rem; }
@media (max-width: 600px) {
  #bar-buttons { flex-flow: row nowrap !important; }
  #bar-buttons > * { flex: 1 1 0; min-width: 0; }
  #tabs > .tab-wrapper button { padding-inline: 0.6rem; }
}
#tabs > .tab-wrapper { contain: inline-size; } /* else the page grows before the menu of more tabs appears */
#presets { justify-content: flex-start; }
#presets button { flex: 0 1 5rem; }
ul.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(15rem, 100%), 1fr)); gap: 0.8rem;
  list-style: none; margin: 0; padding: 0; }
#facts { min-height: 6rem; } /* room for the progress of a wait */
ul.cards li { margin: 0 !important; padding: 0 !important; }
ul.cards button { width: 100%; height: 100%; padding: 0.7rem; text-align: left; cursor: pointer; border-radius: 8px;
  border: 2px solid var(--border-color-primary); background: var(--background-fill-primary); }
ul.cards button:hover { border-color: var(--body-text-color-subdued); }
ul.cards button[aria-pressed=true] { border-color: var(--color-accent); }
ul.cards button[aria-pressed=true] strong::after { content: " ✓"; }
.pair { display: flex; align-items: center; gap: 0.4rem; margin-top: 0.5rem; max-width: 20rem; }
.pair img { flex: 1 1 0; width: 0; max-width: 9rem; border-radius: 4px; }
.map { margin-top: 0.8rem; display: flex; align-items: flex-end; gap: 3px; height: 11rem; padding-bottom: 0.2rem; }
.map button { flex: 1; min-width: 0; height: 100%; display: flex; flex-direction: column; justify-content: flex-end;
  align-items: center; gap: 0.2rem; padding: 0; border: 0; background: none; cursor: pointer; }
.map .of { width: 100%; max-width: 3rem; height: calc(var(--of) * 0.62); display: flex; align-items: flex-end;
  border: 1px solid var(--body-text-color-subdued); background: var(--background-fill-secondary); }
.map .kept { width: 100%; height: var(--kept); background: #4f46e5; transition: height 0.4s; }
.map button[aria-pressed=true] .of { outline: 3px solid #b45309; }
.dark .map .kept { background: #818cf8; }
input:is([type=radio], [type=checkbox]):checked:hover { /* Gradio's hover hides the choice */
  background-color: var(--checkbox-background-color-selected) !important;
  border-color: var(--checkbox-border-color-selected) !important; }
.dark button[role=tab][aria-selected=true] { color: #a5b4fc; }
/* Plotly writes the colours of a white page into its figures. */
.dark .js-plotly-plot .main-svg { background: none !important; }
.dark .js-plotly-plot :is(.bglayer, .legend) .bg { fill: none !important; }
.dark .js-plotly-plot :is(.cartesianlayer, .infolayer) text { fill: var(--body-text-color) !important; }
.dark .js-plotly-plot :is(.gridlayer, .zerolinelayer) path { stroke: var(--border-color-primary) !important; }
.dark .js-plotly-plot .shapelayer path { stroke: var(--body-text-color-subdued) !important; }
.dark .js-plotly-plot :is(.scatterlayer, .barlayer, .legendsymbols) { filter: brightness(1.7); }
.dark .js-plotly-plot :is(.point, .scatterpts)[style*="stroke: rgb(0, 0, 0)"] { stroke: #fff !important; }
.dark .js-plotly-plot :is(.point, .scatterpts)[style*="fill: rgb(0, 0, 0)"] { fill: #fff !important; }
.dark .map button[aria-pressed=true] .of { outline-color: #f59e0b; }
.map .name { height: 4.2rem; writing-mode: vertical-rl; font-size: 0.75rem; line-height: 1; }
.said { min-height: 3em; margin: 0.3rem 0; }
button.link { font: inherit; font-weight: 400; text-align: left; text-decoration: underline; cursor: pointer;
  padding: 0; border: 0; background: none; }
p.files { display: flex; gap: 1.2rem; flex-wrap: wrap; }
.closer { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(16rem, 100%), 24rem)); }
.closer figure, .worst figure { margin: 0; }
.closer img { width: 100%; display: block; border-radius: 4px; }
.closer input[type=range], .preview input[type=range] { width: 100%; accent-color: var(--color-accent); }
.before-after { position: relative; }
.before-after .after { position: absolute; inset: 0; clip-path: inset(0 0 0 var(--at)); }
.before-after::after { content: ""; position: absolute; top: 0; bottom: 0; left: var(--at); width: 2px;
  background: #fff; box-shadow: 0 0 0 1px #000; }
.worst { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(26rem, 100%), 1fr)); gap: 0.8rem; }
.four { display: grid; grid-template-columns: repeat(4, 1fr); gap: 2px; }
.four img { width: 100%; }
.worst figcaption, .closer figcaption { font-size: 0.85rem; }
.scroll { overflow-x: auto; width: 0; min-width: 100%; } /* a wide table widens nothing around it */
table.wrapped td { white-space: normal; }
#model input, #picture input, #data input, #run input { text-overflow: ellipsis; margin-right: 1.6rem; }
#outcomes th, #outcomes td { padding-right: 0.3rem !important; }
#outcomes th:first-child { min-width: 9rem; }
.trained { display: grid; grid-template-columns: repeat(auto-fill, minmax(10rem, 1fr)); gap: 0.8rem; }
.trained figure { margin: 0; max-width: 16rem; }
.trained img { width: 100%; height: auto; border-radius: 4px; }
.trained figcaption { font-size: 0.85rem; text-align: center; }
.note { font-size: 0.85rem; margin: 0.4rem 0; overflow-wrap: anywhere; }
.healing { border-left: 4px solid var(--color-accent); padding: 0.3rem 0.8rem; margin: 0.2rem 0; }
.small { font-weight: 600; margin: 0.7rem 0 0.2rem; }
.problem { border-left: 4px solid #b3261e; padding: 0.3rem 0.8rem; margin: 0.3rem 0; }
.state { font-weight: 600; margin: 0.3rem 0; }
progress { width: 100%; height: 0.9rem; appearance: none; border: 0; border-radius: 4px; overflow: hidden;
  background: var(--border-color-primary); }
progress::-webkit-progress-bar { background: var(--border-color-primary); }
progress::-webkit-progress-value { background: var(--color-accent); }
progress::-moz-progress-bar { background: var(--color-accent); }
dl.losses { display: flex; flex-wrap: wrap; gap: 0.2rem 1.4rem; margin: 0; font-variant-numeric: tabular-nums; }
dl.losses div { display: flex; gap: 0.4rem; }
dl.losses dd { margin: 0; font-weight: 600; }
.spoken { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
dl.words { margin: 0; }
dl.words dt { font-weight: 600; margin-top: 0.4rem; }
dl.words dd { margin: 0; }
pre.log { overflow: auto; max-height: 14rem; font-size: 0.8rem; white-space: pre-wrap; overflow-wrap: anywhere; }
figure.preview { margin: 0; }
figure.preview img { width: 100%; height: auto; image-rendering: auto; border-radius: 4px; }
figure.preview figcaption { font-size: 0.85rem; }
ul.downloads { display: flex; flex-wrap: wrap; gap: 0.5rem 1.2rem; list-style: none; margin: 0; padding: 0; }
ul.downloads a { text-decoration: underline; font-weight: 600; }
a.take-home { display: inline-block; padding: 0.6rem 1.2rem; border-radius: 8px; font-weight: 600;
  color: white !important; background: var(--button-primary-background-fill); text-decoration: none; }
a.take-home:hover { background: var(--button-primary-background-fill-hover); }
ul.inside { margin: 0.3rem 0 0.6rem; padding-left: 1.2rem; font-size: 0.85rem; overflow-wrap: anywhere; }
table.forms { table-layout: fixed; margin-top: 0.6rem; }
table.forms th:first-child { width: 24%; }
table.forms th img { display: block; margin-top: 0.3rem; }
table.forms td { white-space: normal !important; overflow-wrap: anywhere; vertical-align: top; }
table.forms img { width: 100%; max-width: 10rem; border-radius: 4px; }
table.forms a { text-decoration: underline; font-weight: 600; }
section.code { margin-top: 0.8rem; contain: inline-size; } /* long lines scroll inside */
.code-head { display: flex; justify-content: space-between; align-items: center; gap: 0.8rem; }
.code-head h3 { margin: 0; font-size: 1rem; }
.code-head button { padding: 0.3rem 0.9rem; border: 1px solid var(--border-color-primary); border-radius: 6px;
  cursor: pointer; }
section.code pre { margin: 0.3rem 0 0; padding: 0.7rem; overflow-x: auto; border-radius: 6px; font-size: 0.8rem;
  line-height: 1.45; background: var(--background-fill-secondary); border: 1px solid var(--border-color-primary); }
.modebar-btn--logo { display: none !important; } /* a link without a name, to another host */
:focus-visible { outline: 3px solid var(--color-accent) !important; outline-offset: 2px; }
@media (prefers-reduced-motion: reduce) { * { animation: none !important; transition: none !important; } }
"""
CSS += LESSON_CSS


def make_theme() -> gr.themes.Base:
    """Give Gradio's plain theme with system fonts and darker labels than its own."""
    theme = gr.themes.Base(
        primary_hue=gr.themes.colors.indigo,
        neutral_hue=gr.themes.colors.slate,
        font=["system-ui", "-apple-system", "Segoe UI", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    )
    return theme.set(
        body_text_color="*neutral_900",
        body_text_color_subdued="*neutral_700",
        body_text_color_subdued_dark="*neutral_300",
        block_label_text_color="*neutral_800",
        block_label_text_color_dark="*neutral_200",
        block_title_text_color="*neutral_900",
        block_title_text_color_dark="*neutral_100",
        block_info_text_color="*neutral_700",
        block_info_text_color_dark="*neutral_300",
        input_placeholder_color="*neutral_600",
        input_placeholder_color_dark="*neutral_300",
        color_accent="*primary_600",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_text_color="white",
    )
