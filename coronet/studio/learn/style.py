"""How the lessons and the marked words look: the part of the style sheet that belongs to Learn. No words here."""

LESSON_CSS = """
button.term { font: inherit; line-height: 1; color: inherit; text-align: inherit; padding: 0; border: 0;
  background: none; cursor: help; text-decoration: underline dotted; text-underline-offset: 0.2em; }
.meaning { position: fixed; inset: auto 1rem 1rem; margin: 0 auto; max-width: 34rem; padding: 0.8rem 1rem;
  border: 1px solid var(--body-text-color-subdued); border-left: 4px solid var(--color-accent); border-radius: 8px;
  background: var(--background-fill-primary); color: var(--body-text-color); box-shadow: 0 4px 24px rgb(0 0 0 / 0.3); }
.meaning strong { display: block; margin-bottom: 0.2rem; }
#meanings { min-height: 0; padding: 0; border: 0; }
ol.lessons { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(9.5rem, 100%), 1fr)); gap: 0.5rem;
  list-style: none; margin: 0.4rem 0; padding: 0; }
ol.lessons li { margin: 0; padding: 0; }
ol.lessons button { display: flex; width: 100%; align-items: center; gap: 0.6rem; padding: 0.5rem 0.7rem;
  cursor: pointer; text-align: left; border-radius: 8px; border: 2px solid var(--border-color-primary);
  background: var(--background-fill-primary); }
ol.lessons button:hover { border-color: var(--body-text-color-subdued); }
ol.lessons button[aria-current] { border-color: var(--color-accent); font-weight: 600; }
ol.lessons .number { display: grid; place-items: center; width: 1.7rem; height: 1.7rem; border-radius: 50%;
  font-weight: 600; background: var(--background-fill-secondary); border: 1px solid var(--border-color-primary); }
ol.lessons button[aria-current] .number { background: var(--primary-700); border-color: var(--primary-700);
  color: white; }
.lesson > p { max-width: 46rem; margin: 0.5rem 0; font-size: 1.05rem; }
.quiz { max-width: 46rem; margin: 1rem 0 0.4rem; padding: 0.8rem 1rem; border-radius: 8px;
  border: 1px solid var(--border-color-primary); border-left: 4px solid var(--color-accent);
  background: var(--background-fill-secondary); }
.quiz legend { float: left; width: 100%; font-weight: 600; margin-bottom: 0.5rem; padding: 0; }
.quiz legend span { display: block; font-size: 0.85rem; font-weight: 400; }
.quiz legend + * { clear: both; }
.quiz label { display: flex; gap: 0.6rem; align-items: baseline; padding: 0.25rem 0; cursor: pointer; }
.quiz input[type=radio] { appearance: auto; accent-color: var(--color-accent); flex: none; width: auto; height: auto; }
.quiz .buttons { display: flex; flex-wrap: wrap; gap: 0.5rem 1.2rem; align-items: center; margin: 0.6rem 0 0; }
.quiz .check { padding: 0.4rem 1rem; border: 0; border-radius: 6px; cursor: pointer; font-weight: 600; color: white;
  background: var(--primary-700); }
.quiz .check:hover { background: var(--primary-800); }
.quiz .verdict { margin: 0.6rem 0 0; font-weight: 600; }
.quiz .verdict:empty { margin: 0; }
.quiz .tick { display: none; font-weight: 600; margin-left: 0.6rem; }
.quiz.answered .tick { display: inline; }
#draws-table .scroll, #race-table .scroll { contain: inline-size; } /* a table scrolls; the page does not */
#anatomy, #even, #turned, #draws-table, #race-table { min-height: 6rem; } /* room for the progress of a wait */
h3.live { font-size: 1.1rem !important; margin: 0.8rem 0 0 !important; }
.finding { border-left: 4px solid var(--color-accent); padding: 0.3rem 0.8rem; margin: 0.3rem 0 0.8rem; }
.further, .run { max-width: 26rem; }
.further { margin-top: 0.6rem; }
ol.stages { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(13rem, 100%), 1fr)); gap: 1rem;
  list-style: none; margin: 0.4rem 0; padding: 0; }
ol.stages li { margin: 0; padding: 0; }
ol.stages p, ol.stages figure { margin: 0; font-size: 0.9rem; }
ol.stages .end img { width: 100%; max-width: 13rem; border-radius: 4px; }
ol.stages figcaption, .pictures figcaption { font-size: 0.85rem; }
.maps { display: grid; grid-template-columns: repeat(4, 1fr); gap: 2px; margin-top: 0.2rem; }
.maps img { width: 100%; image-rendering: pixelated; }
.bar { display: block; height: 0.6rem; border-radius: 3px; margin-top: 0.2rem;
  background: linear-gradient(var(--color-accent), var(--color-accent)) 0 / var(--share) 100% no-repeat,
  var(--border-color-primary); }
.even { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(17rem, 100%), 1fr)); }
dl.bars { margin: 0; }
dl.bars div { margin: 0 0 0.7rem; }
dl.bars dd { margin: 0; font-weight: 600; font-variant-numeric: tabular-nums; }
.pictures { display: grid; gap: 0.8rem; grid-template-columns: repeat(2, minmax(0, 16rem)); }
.pictures.three { grid-template-columns: repeat(auto-fit, minmax(min(9rem, 45%), 16rem)); }
.pictures figure { margin: 0; }
.pictures img { width: 100%; border-radius: 4px; }
dl.glossary { columns: 24rem; column-gap: 2rem; margin: 0; }
dl.glossary div { break-inside: avoid; margin: 0 0 0.6rem; }
dl.glossary dt { font-weight: 600; }
dl.glossary dd { margin: 0; }
"""
