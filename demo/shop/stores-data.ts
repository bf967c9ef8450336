/** The stores that a new shop starts with. */

export interface StoreSeed {
  readonly id: string
  readonly name: string
  readonly address: string
  readonly hours: string
  /** Degrees, north and east positive. */
  readonly lat: number
  readonly lon: number
}

const WEEK = 'Mon–Sat 10:00–19:00'

export const STORES: readonly StoreSeed[] = [
  { id: 'ber-1', name: 'Berlin Mitte', address: 'Torstraße 90, Berlin', hours: WEEK, lat: 52.5296, lon: 13.4012 },
  { id: 'ber-2', name: 'Berlin Kreuzberg', address: 'Bergmannstraße 12, Berlin', hours: WEEK, lat: 52.4889, lon: 13.3875 },
  { id: 'lon-1', name: 'London Soho', address: '41 Beak Street, London', hours: WEEK, lat: 51.5122, lon: -0.1376 },
  { id: 'lon-2', name: 'London Shoreditch', address: '8 Redchurch Street, London', hours: WEEK, lat: 51.5245, lon: -0.0741 },
  { id: 'par-1', name: 'Paris Marais', address: '27 rue de Turenne, Paris', hours: WEEK, lat: 48.8573, lon: 2.3646 },
  { id: 'ams-1', name: 'Amsterdam Jordaan', address: 'Elandsgracht 55, Amsterdam', hours: WEEK, lat: 52.3702, lon: 4.8784 },
  { id: 'nyc-1', name: 'New York Flatiron', address: '18 W 21st Street, New York', hours: WEEK, lat: 40.7404, lon: -73.9918 },
  { id: 'nyc-2', name: 'Brooklyn', address: '110 Smith Street, Brooklyn', hours: WEEK, lat: 40.6884, lon: -73.9897 },
  {
    id: 'sfo-1',
    name: 'San Francisco Mission',
    address: '800 Valencia Street, San Francisco',
    hours: WEEK,
    lat: 37.7602,
    lon: -122.4214,
  },
  {
    id: 'tyo-1',
    name: 'Tokyo Shibuya',
    address: '1-15 Jinnan, Shibuya',
    hours: 'daily 11:00–20:00',
    lat: 35.6626,
    lon: 139.6994,
  },
]
