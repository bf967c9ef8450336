/**
 * Makes an element's children equal to those of a fragment by touching only what differs. Of a text that grows that is its
 * last line: what is selected above it stays selected, and what was laid out stays laid out.
 */
export function morph(element: Node, next: Node): void {
  let now = element.firstChild
  let wanted = next.firstChild
  while (wanted !== null) {
    const following = wanted.nextSibling
    if (now === null) element.appendChild(wanted)
    else {
      const kept: ChildNode = now
      now = kept.nextSibling
      change(kept, wanted)
    }
    wanted = following
  }
  while (now !== null) {
    const gone: ChildNode = now
    now = gone.nextSibling
    gone.remove()
  }
}

function change(now: ChildNode, wanted: ChildNode): void {
  if (now.isEqualNode(wanted)) return
  if (now instanceof Text && wanted instanceof Text) {
    // Appending leaves a selection in the text where it is; setting it whole would not.
    if (wanted.data.startsWith(now.data)) now.appendData(wanted.data.slice(now.data.length))
    else now.data = wanted.data
  } else if (now instanceof Element && wanted instanceof Element && sameTag(now, wanted)) morph(now, wanted)
  else if (now instanceof Element && wanted instanceof Element && areCells(now, wanted)) {
    takeAttributes(now, wanted)
    morph(now, wanted)
  } else now.replaceWith(wanted)
}

/** Of one kind, and with the same attributes. */
function sameTag(now: Element, wanted: Element): boolean {
  return now.cloneNode(false).isEqualNode(wanted.cloneNode(false))
}

/** A cell that is told how wide it is stays the same cell, with what is selected in it. */
function areCells(now: Element, wanted: Element): boolean {
  return now instanceof HTMLTableCellElement && now.localName === wanted.localName
}

function takeAttributes(now: Element, wanted: Element): void {
  for (const name of now.getAttributeNames()) if (!wanted.hasAttribute(name)) now.removeAttribute(name)
  for (const { name, value } of wanted.attributes) if (now.getAttribute(name) !== value) now.setAttribute(name, value)
}
