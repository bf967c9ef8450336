/**
 * What strangers may write, and what a model may be made to write, so that it runs in the reader's page, loads something,
 * leads away, takes the place of what the page knows by name, or keeps the browser busy. Each tells by calling `pwn()`, by
 * asking `CANARY` for something, or by being there: the page of the test lets nothing through but what Markdown is made of.
 */

const SCRIPTS = [
  '<script>pwn()</script>',
  '<SCRIPT SRC=CANARY/x.js></SCRIPT>',
  '<scr<script>ipt>pwn()</scr</script>ipt>',
  '<script/x>pwn()</script\t\n bar>',
  '<img src=x onerror=pwn()>',
  '<img src="CANARY/i.png" onload="pwn()">',
  '<img/src="x"/onerror=\u0060pwn()\u0060>',
  '<img src=x:x onerror="&#112;wn()">',
  '<IMG """><SCRIPT>pwn()</SCRIPT>"\\>',
  '<body onload=pwn()><body onpageshow=pwn()>',
  '<details open ontoggle=pwn()><summary>x</summary></details>',
  '<input autofocus onfocus=pwn()><select autofocus onfocus=pwn()>',
  '<video><source onerror="pwn()"></video><audio src=x onerror=pwn()>',
  '<marquee onstart=pwn()>x</marquee><p style="animation:turn 1s" onanimationstart=pwn()>x',
  '<div onpointerover="pwn()" style="position:fixed;inset:0;z-index:9">cover</div>',
  '<iframe srcdoc="<script>parent.pwn()</script>"></iframe>',
  '<iframe src="javascript:parent.pwn()"></iframe><frameset onload=pwn()>',
  '<object data="javascript:pwn()"></object><embed src="CANARY/e.swf">',
  '<link rel=stylesheet href=CANARY/s.css><link rel=prefetch href=CANARY/p>',
  '<style>@import "CANARY/s.css";*{background:url(CANARY/b)}</style>',
  '<meta http-equiv="refresh" content="0;url=CANARY/m"><base href="CANARY/">',
  '<form action=CANARY/f><button formaction="javascript:pwn()">go</button><input type=submit></form>',
  '<p style="background:url(CANARY/u);width:expression(pwn())">x</p>',
  '<template><script>pwn()</script></template><noscript><p title="</noscript><img src=x onerror=pwn()>">',
  '<slot name=x onslotchange=pwn()></slot><x-y onclick=pwn()>x</x-y>',
  '<portal src=CANARY/p></portal><applet code=CANARY/a></applet><isindex action=CANARY>',
]

const FOREIGN = [
  '<svg onload=pwn()><script>pwn()</script></svg>',
  '<svg><a xlink:href="javascript:pwn()"><text y=20>x</text></a></svg>',
  '<svg><animate onbegin=pwn() attributeName=x dur=1s><set onend=pwn()>',
  '<svg><use href="data:image/svg+xml,<svg id=x xmlns=http://www.w3.org/2000/svg><script>pwn()</script></svg>#x"/></svg>',
  '<svg><foreignObject><iframe onload=pwn()></iframe></foreignObject></svg>',
  '<svg></p><style><a id="</style><img src=1 onerror=pwn()>">',
  '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=pwn()&gt;">',
  '<math><annotation-xml encoding="text/html"><style><img src=x onerror=pwn()></style></annotation-xml></math>',
  '<form><math><mtext></form><form><mglyph><style></math><img src onerror=pwn()>',
  '<math href="javascript:pwn()"><maction actiontype="statusline#CANARY">x</maction></math>',
  '<svg><desc><![CDATA[</desc><script>pwn()</script>]]></svg>',
  '<select><template><style><!--</style></template></select><img src=x onerror=pwn()>',
]

const LINKS = [
  '[a](javascript:pwn()) [b](JaVaScRiPt:pwn()) [c](javascript&colon;pwn())',
  '[a](java\tscript:pwn()) [b](java&#10;script:pwn()) [c](java&Tab;script:pwn()) [d](&#x6A;avascript:pwn())',
  '[a](<javascript:pwn()>) [b]( javascript:pwn()) [c](\u0001javascript:pwn()) [d](\u00a0javascript:pwn())',
  '[a](javascript://x.example/%0apwn()) [b](javascript%3Apwn()) [c](javascript:%70wn())',
  '[a](data:text/html,<script>pwn()</script>) [b](data:text/html;base64,PHNjcmlwdD5wd24oKTwvc2NyaXB0Pg==)',
  '[a](vbscript:msgbox(1)) [b](livescript:pwn()) [c](mocha:pwn()) [d](jar:CANARY!/x) [e](feed:javascript:pwn())',
  '[a](file:///etc/passwd) [b](blob:CANARY/1) [c](view-source:CANARY) [d](filesystem:CANARY/t/x) [e](about:blank)',
  '[a](//evil.example) [b](\\\\evil.example) [c](/desk) [d](?as=x) [e](#m-1) [f](../s/x)',
  '<javascript:pwn()> <data:text/html,x> <vbscript:x> <JAVASCRIPT:pwn()>',
  '[a][1] [b][2] [3]\n\n[1]: javascript:pwn()\n[2]: <data:text/html,x> "t"\n[3]: vbscript:x (t)',
  '[__proto__] [constructor] [toString]\n\n[__proto__]: javascript:pwn()\n[constructor]: javascript:pwn()',
  '[a](http://x.example "onmouseover=pwn() x=\\"") [b](http://x.example \'" onclick="pwn()\')',
  '[a](http://x.example"onmouseover="pwn()) [b](http://x.example\u0060onclick=pwn()) [c](<http://x.example" onclick="pwn()>)',
  '[<img src=x onerror=pwn()>](http://x.example) [**<b onclick=pwn()>**](http://x.example)',
  '![a](CANARY/i.png) ![b](javascript:pwn()) ![c" onerror="pwn()](x) [![d](CANARY/i)](javascript:pwn())',
  '![<img src=x onerror=pwn()>][r]\n\n[r]: CANARY/i "<script>pwn()</script>"',
  'http://x.example/"onclick="pwn() www.x.example/<script>pwn()</script> a@x.example"onclick=pwn()',
  'javascript:pwn() data:text/html,x http://x.example\u202ejs.exe https://аррӏе.example',
  '<a href="javascript:pwn()" target=_self ping=CANARY/p>a</a> <a href=CANARY id=x name=y download>b</a>',
  '<a href="http://x.example" rel="opener" target="top" onfocus=pwn() autofocus tabindex=1>x</a>',
  '[a](mailto:a@x.example?subject=<script>pwn()</script>) [b](tel:1) [c](sms:1) [d](intent://x#Intent;end)',
]

const SHAPES = [
  '<!-- <script>pwn()</script> --> <!--><img src=x onerror=pwn()>--> <!--- ><script>pwn()</script> -->',
  '<![CDATA[<script>pwn()</script>]]> <?php pwn() ?> <!DOCTYPE html [<!ENTITY x "y">]>',
  '&lt;script&gt;pwn()&lt;/script&gt; &#60;img src=x onerror=pwn()&#62; &amp;lt;script&amp;gt;',
  '\\<script>pwn()\\</script> \\<img src=x onerror=pwn()\\>',
  '\u0060<script>pwn()</script>\u0060 \u0060\u0060 \u0060</code><img src=x onerror=pwn()>\u0060 \u0060\u0060',
  '```js"onclick="pwn()\n</code></pre><script>pwn()</script>\n```',
  '```<img src=x onerror=pwn()>\nx\n````\n~~~ __proto__\n</pre><svg onload=pwn()>',
  '    <script>pwn()</script>\n\n\t</pre><img src=x onerror=pwn()>',
  '| a | <script>pwn()</script> |\n|:-:|-\n| </td></table><img src=x onerror=pwn()> | \u0060|\u0060 <b',
  '|a\n|-\n|[x](javascript:pwn())|![y](CANARY)|\n<table><td background=CANARY><caption onclick=pwn()>',
  '- <li onclick=pwn()>\n  > 1. <ol start=x onclick=pwn()>\n\n99999999. x\n- [x] <input onclick=pwn()>\n- [ ] b',
  '# <h1 id=app onclick=pwn()>\n## {#app .x onclick=pwn()}\n<h1 id=root>x</h1>\n===',
  '<img name=getElementById><form id=cookie name=body><a id=location><input name=attributes><input id=querySelector>',
  '<a id=__proto__><a id=pwn name=x><form name=documentElement><button name=parentNode>',
  '<div class="hidden composer" data-action=x aria-hidden=true role=alert contenteditable is=x part=x slot=x>x</div>',
  '**<img src=x onerror=pwn()>** ~~<svg onload=pwn()>~~ *a<b onclick=pwn()>*',
  '<b/onclick=pwn()>x<i\nonclick\n=\npwn()>y</i ><br\u000bonclick=pwn()><br\u0000onclick=pwn()>',
  '\ufeff<script>pwn()</script>\u2028<img src=x onerror=pwn()>\u0000<svg\u0000 onload=pwn()>',
  '＜script＞pwn()＜/script＞ +ADw-script+AD4-pwn()+ADw-/script+AD4- %3Cscript%3Epwn()%3C/script%3E',
  '<script\n\n>pwn()</script\n\n>\n\n<img\n\nsrc=x onerror=pwn()>\n\n<div\n\nonclick=pwn()>',
  '[^1]: <script>pwn()</script>\n\nx[^1] $$\\href{javascript:pwn()}{x}$$ :img{onerror=pwn()} {{constructor.constructor("pwn()")()}}',
  '${pwn()} #{pwn()} <%= pwn() %> {{pwn()}} javascript:pwn()//\';pwn()//";pwn()//</script>--><script>pwn()</script>',
  '<p><b><p><b><table><b><tr><b><td><p>x</table>y</p></b>z<a href=x><a href=y><nobr><nobr>',
  '<plaintext><xmp><textarea></textarea><title></title><noembed><img src=x onerror=pwn()></noembed>',
]

const repeated = (unit: string, length = 100_000): string => unit.repeat(Math.ceil(length / unit.length)).slice(0, length)

/** Texts that are made to cost though they show little, by what they are made of. */
const BLOW_UPS: Readonly<Record<string, string>> = {
  'one word': repeated('x'),
  'one line': repeated('word '),
  brackets: repeated('['),
  'images begun': repeated('!['),
  'links begun': repeated('[a]('),
  'link texts': repeated('[a][b]'),
  'a link’s end': `[a](${repeated('(')}`,
  'link titles': `[a](b "${repeated('x ')}`,
  quotes: repeated('>'),
  'quotes apart': repeated('> '),
  'lists in one line': repeated('1. '),
  'strong begun': repeated('__a'),
  'strong and not': repeated('*a**b'),
  stars: repeated('***a'),
  'struck begun': repeated('~~a '),
  ticks: Array.from({ length: 400 }, (_, count) => `${'`'.repeat(count + 1)}a`).join(''),
  addresses: `${repeated('a.')}@`,
  'addresses begun': repeated('a@'),
  'web begun': repeated('http://a'),
  'tags begun': repeated('<a '),
  'a tag’s attributes': `<a ${repeated('a=b ')}`,
  'comments begun': repeated('<!--'),
  entities: repeated('&amp'),
  backslashes: repeated('\\'),
  'a wide table': `${repeated('|a', 50_000)}\n${repeated('|-', 50_000)}\n`,
  'blank lines': repeated(' \n'),
  carriage: repeated('\r'),
  zeros: repeated('\0'),
}

const nested = (depth: number, line: (depth: number) => string): string =>
  Array.from({ length: depth }, (_, i) => line(i)).join('\n')

/** Texts of many small things. */
const CROWDS: Readonly<Record<string, string>> = {
  definitions: repeated('[a]: b\n', 10_000),
  'a long table': `a|b\n-|-\n${repeated('a|b\n', 10_000)}`,
  'rules and headings': repeated('a\n=\n# \n---\n', 10_000),
  fences: repeated('```\n', 10_000),
  'html opened': repeated('<div>\n\n', 10_000),
  'lists of lists': nested(100, (depth) => `${' '.repeat(2 * depth)}- a`),
  'quotes of quotes': nested(140, (depth) => `${'>'.repeat(depth + 1)} a`),
}

/** Texts to be shown whole and at each of their beginnings. */
export function hostileTexts(canary: string): string[] {
  return [...SCRIPTS, ...FOREIGN, ...LINKS, ...SHAPES].map((text) => text.replaceAll('CANARY', canary))
}

/**
 * Texts that are made to cost, by name: some of 100,000 characters that show little, and some of 10,000 that are many small
 * things.
 */
export function costlyTexts(): {
  readonly blowUps: Readonly<Record<string, string>>
  readonly crowds: Readonly<Record<string, string>>
} {
  return { blowUps: BLOW_UPS, crowds: CROWDS }
}
