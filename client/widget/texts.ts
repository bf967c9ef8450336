/** The few words that the loader says itself. */

interface Texts {
  readonly open: string
  readonly close: string
  /** After a number. */
  readonly unread: string
  readonly opening: string
  readonly failed: string
  readonly again: string
}

const TEXTS: Readonly<Record<string, Texts>> = {
  en: {
    open: 'Open',
    close: 'Close',
    unread: 'new',
    opening: 'Opening…',
    failed: 'The chat cannot be reached at the moment.',
    again: 'Try again',
  },
  de: {
    open: 'Öffnen',
    close: 'Schließen',
    unread: 'neu',
    opening: 'Wird geöffnet…',
    failed: 'Der Chat ist im Moment nicht erreichbar.',
    again: 'Noch einmal versuchen',
  },
  fr: {
    open: 'Ouvrir',
    close: 'Fermer',
    unread: 'à lire',
    opening: 'Ouverture…',
    failed: 'La messagerie est injoignable pour le moment.',
    again: 'Réessayer',
  },
  es: {
    open: 'Abrir',
    close: 'Cerrar',
    unread: 'sin leer',
    opening: 'Abriendo…',
    failed: 'No se puede abrir el chat en este momento.',
    again: 'Reintentar',
  },
}

/** Those of a language tag; English for what is not there. */
export function textsFor(locale: string): Texts {
  return TEXTS[locale.toLowerCase().split('-')[0] ?? ''] ?? (TEXTS['en'] as Texts)
}
