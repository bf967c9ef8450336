/** What cannot be shown breaks nothing around it: others may have written it, and it stays in the conversation. */
import { Component, type ReactNode } from 'react'

export interface ContainedProps {
  /** What is shown: when it becomes another, showing it is tried again. */
  readonly of: unknown
  readonly children: ReactNode
}

interface State {
  readonly failed: boolean
  readonly of: unknown
}

/** For React's root, in the place of an error in the console: it is dealt with. */
export function sayContained(error: unknown): void {
  console.warn('Not shown:', error)
}

export class Contained extends Component<ContainedProps, State> {
  override state: State = { failed: false, of: this.props.of }

  static getDerivedStateFromError(): Partial<State> {
    return { failed: true }
  }

  static getDerivedStateFromProps({ of }: ContainedProps, state: State): State | null {
    return of === state.of ? null : { failed: false, of }
  }

  override render(): ReactNode {
    return this.state.failed ? <p className="system-line inline">This part cannot be shown here.</p> : this.props.children
  }
}
