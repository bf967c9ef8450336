/** Beside a conversation on the customer's page: ends the picture that stood in for it, and keeps the next one. */
import { useSession } from 'polylogue/react'
import { useLayoutEffect, type ReactNode } from 'react'
import { keepPictures } from './keep-pictures.ts'
import { doRowsStand, leavePicture, leavePictureWhen } from './leave.ts'

/** @param reader id of the participant */
export function LastScreen({ reader }: { readonly reader: string }): ReactNode {
  const session = useSession()
  useLayoutEffect(() => {
    const viewport = document.querySelector<HTMLElement>('.transcript .viewport')
    if (viewport === null) return leavePicture()
    const offs = [leavePictureWhen(() => doRowsStand(viewport)), keepPictures(session, reader, viewport)]
    return () => offs.forEach((off) => off())
  }, [session, reader])
  return null
}
