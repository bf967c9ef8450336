/**
 * A list of a Markdown text, entry by entry. Those that are settled come in groups that stay the same, so that one more costs
 * neither them nor a look at each of them. Each group is an element of its own, which is laid out and painted by itself: a box
 * of some hundred entries would take a slow device longer than there is between two frames.
 */
import { memo, useMemo, type ReactNode } from 'react'
import { useMorphed } from './morphed.ts'
import type { Pieces } from './pieces.ts'
import { itemHtml } from './safe-html.ts'

export interface ListProps {
  readonly list: Extract<Pieces, { kind: 'list' }>
  readonly growing: boolean
}

/** To be rendered in an element of its own, which is the list for those who hear it: see `isSplit`. */
export function List({ list, growing }: ListProps): ReactNode {
  const { loose, items } = list
  const last = items.length - 1
  let number = list.start
  return items.map((group, i) => {
    const start = number
    number += group.length
    return (
      <Items
        key={i}
        items={group}
        start={list.ordered ? start : null}
        loose={loose}
        split={isSplit(list)}
        tail={growing && i === last}
      />
    )
  })
}

/** It has more than one group, and none of them is all of the list. */
export function isSplit({ items }: ListProps['list']): boolean {
  return items.length > 1
}

interface ItemsProps {
  readonly items: readonly string[]
  /** Number of its first one. Null: they have none. */
  readonly start: number | null
  readonly loose: boolean
  readonly split: boolean
  /** Its last one grows. */
  readonly tail: boolean
}

const Items = memo(function Items({ items, start, loose, split, tail }: ItemsProps): ReactNode {
  const last = items.length - 1
  const role = split ? 'presentation' : undefined
  const all = items.map((item, i) => <Item key={i} markdown={item} loose={loose} split={split} tail={tail && i === last} />)
  if (start === null) return <ul role={role}>{all}</ul>
  return (
    <ol role={role} start={start === 1 ? undefined : start}>
      {all}
    </ol>
  )
})

interface ItemProps {
  readonly markdown: string
  readonly loose: boolean
  readonly split: boolean
  /** What grows grows here. An attribute on the list would have each of its entries styled anew when it ends. */
  readonly tail: boolean
}

const Item = memo(function Item({ markdown, loose, split, tail }: ItemProps): ReactNode {
  const html = useMemo(() => itemHtml(markdown, loose), [markdown, loose])
  const ref = useMorphed<HTMLLIElement>(html, (fragment) => fragment.querySelector('li') ?? fragment)
  return <li ref={ref} role={split ? 'listitem' : undefined} data-tail={tail || undefined} />
})
