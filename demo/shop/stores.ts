/** Where the stores are. */
import { all, ShopError, type Shop } from './database.ts'
import type { StoreDistance } from './types.ts'

const EARTH_RADIUS_KM = 6371

/**
 * The stores next to a point, the nearest first. Throws `bad-argument` for what is no point on Earth.
 * @param lat degrees, -90 to 90. @param lon degrees, -180 to 180. @param limit at most so many; 3 by default.
 */
export function nearestStores(shop: Shop, lat: number, lon: number, limit = 3): StoreDistance[] {
  if (!(Math.abs(lat) <= 90 && Math.abs(lon) <= 180)) throw new ShopError('bad-argument', `There is no place at ${lat}, ${lon}.`)
  const stores = all<Omit<StoreDistance, 'distanceKm'>>(shop, 'select * from stores')
  const found = stores.map((store) => ({ ...store, km: distanceKm(lat, lon, store.lat, store.lon) }))
  found.sort((a, b) => a.km - b.km)
  return found.slice(0, limit).map(({ km, ...store }) => ({ ...store, distanceKm: Math.round(km * 10) / 10 }))
}

/** By the haversine formula. */
function distanceKm(lat1: number, lon1: number, lat2: number, lon2: number): number {
  const rad = Math.PI / 180
  const chord =
    Math.sin(((lat2 - lat1) * rad) / 2) ** 2 +
    Math.cos(lat1 * rad) * Math.cos(lat2 * rad) * Math.sin(((lon2 - lon1) * rad) / 2) ** 2
  return 2 * EARTH_RADIUS_KM * Math.asin(Math.min(1, Math.sqrt(chord)))
}
