/** Styles of the launcher and its panel. They are in a closed shadow root: nothing of them is seen outside. */
export const LAUNCHER_CSS: string = `
:host{--ink:#1f1e1b;--paper:#fff;--line:#d9d6cd;--accent:var(--polylogue-color,#1f6a58);color-scheme:light}
:host([theme=dark]){--ink:#ecebe6;--paper:#1a1d1b;--line:#444b47;color-scheme:dark}
@media(prefers-color-scheme:dark){:host([theme=auto]){--ink:#ecebe6;--paper:#1a1d1b;--line:#444b47;color-scheme:dark}}
*{box-sizing:border-box;font:15px/1.4 system-ui,sans-serif}
[hidden]{display:none!important}
button{cursor:pointer;border:2px solid #0000;padding:0}
:focus-visible{outline:3px solid var(--paper);box-shadow:0 0 0 6px var(--ink)}
.launcher{position:fixed;bottom:calc(20px + env(safe-area-inset-bottom));right:calc(20px + env(safe-area-inset-right));
display:grid;place-items:center;width:56px;height:56px;border-radius:50%;background:var(--accent);color:#fff;
box-shadow:0 2px 6px #0003,0 8px 24px #0003}
:host([position=left]) .launcher{right:auto;left:calc(20px + env(safe-area-inset-left))}
svg{width:26px;height:26px;fill:none;stroke:currentColor;stroke-width:2;stroke-linecap:round;stroke-linejoin:round}
.count{position:absolute;top:-6px;right:-6px;min-width:22px;padding:0 6px;border-radius:11px;border:2px solid var(--paper);
background:#b0271d;color:#fff;font-size:12px;font-weight:700;line-height:18px;text-align:center}
.panel{position:fixed;bottom:calc(92px + env(safe-area-inset-bottom));right:calc(20px + env(safe-area-inset-right));
width:400px;height:min(680px,calc(100vh - 116px));border-radius:16px;overflow:hidden;
background:var(--paper);color:var(--ink);border:1px solid var(--line);box-shadow:0 2px 6px #0003,0 8px 24px #0003}
:host([position=left]) .panel{right:auto;left:calc(20px + env(safe-area-inset-left))}
.said{position:fixed;clip-path:inset(50%)}
iframe{display:block;width:100%;height:100%;border:0;background:var(--paper)}
.cover{position:absolute;inset:0;display:grid;place-content:center;justify-items:center;gap:12px;padding:24px;
background:var(--paper);text-align:center}
.cover button{min-height:44px;padding:0 18px;border-radius:22px;background:none;color:var(--ink);border:1px solid var(--line)}
@media(max-width:600px),(max-height:440px){
.panel{inset:0;width:100%;height:100%;border:0;border-radius:0;
padding:env(safe-area-inset-top) env(safe-area-inset-right) env(safe-area-inset-bottom) env(safe-area-inset-left)}
.panel:not([hidden])+.launcher{display:none}}
@media(prefers-reduced-motion:no-preference){.panel{animation:.16s ease-out in}@keyframes in{from{opacity:0;transform:translateY(8px)}}}
`

/** Where the panel fills the screen; the same condition as in the styles. */
export const SHEET_QUERY = '(max-width:600px),(max-height:440px)'
