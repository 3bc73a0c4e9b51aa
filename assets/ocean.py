"""The sea of the embedded clip: waves with true dispersion, the light that they bend, their look.

Nothing here knows of dolphins: `Sea` gives slopes of the surface at any time, `caustics` the light under it,
and `shade` what a camera sees that looks straight down, with a picture of what is under it laid in.
World axes as in the course: y up, sea level y = 0, metres; arrays over the sea are [z, x], and periodic.
"""

import numba
import numpy as np
import scipy.fft

GRAVITY = 9.81
SURFACE_TENSION = 7.4e-5  # m^3/s^2, of sea water, over its density
REFRACTION = 1.0 - 1.0 / 1.34  # a ray coming down through a slope s is turned by about REFRACTION * s


class Sea:
    """A periodic patch of sea that moves by the linear dispersion relation of gravity-capillary waves.

    The spectrum is given by its curvature B(k) = k^4 Psi(k) (as in Elfouhaily et al., JGR 1997), so that the
    mean square slope is the integral of B(k) dk / k: a wind sea has B of some thousandths over decades of k.
    Waves shorter than about `shortest` are left to the glints' lobe in `shade`.
    """

    def __init__(
        self,
        seed,
        size=(10.24, 20.48),
        shape=(1024, 2048),
        wind_deg=200.0,
        peak=2.6,
        saturation=0.0042,
        shortest=0.035,
        swell=7.5,
        swell_slope=0.022,
        swell_deg=150.0,
    ):
        rng = np.random.default_rng(seed)
        self.size, self.shape = size, shape
        nz, nx = shape
        kz = 2 * np.pi * np.fft.fftfreq(nz, size[0] / nz)[:, None]
        kx = 2 * np.pi * np.fft.rfftfreq(nx, size[1] / nx)[None, :]
        k = np.hypot(kz, kx)
        k[0, 0] = 1.0
        self.kx, self.kz, self.k2 = kx.astype(np.float32), kz.astype(np.float32), (k * k).astype(np.float32)
        self.omega = np.sqrt(GRAVITY * k + SURFACE_TENSION * k**3)
        k_peak = 2 * np.pi / peak
        curvature = saturation * np.exp(-1.25 * (k_peak / k) ** 2)
        curvature = curvature * (1 + 0.9 * np.exp(-((k / k_peak - 1) ** 2) / 0.18))
        curvature = curvature * (k / k_peak) ** 0.08 * np.exp(-((k * shortest / (2 * np.pi)) ** 2))
        cell = (2 * np.pi) ** 2 / (size[0] * size[1])

        def amplitude(angle):  # of the waves that run towards `angle` (from +x to +z)
            turned = angle - np.deg2rad(wind_deg)
            power = np.clip(9.0 * (k_peak / k) ** 0.35, 0.7, 12.0)  # short waves spread wide
            spread = np.abs(np.cos(turned / 2)) ** (2 * power)
            spread = spread / np.sqrt(np.pi / (power + 0.25))
            wind_sea = curvature / k**4 * spread / 2
            turned = angle - np.deg2rad(swell_deg)
            shape_k = np.exp(-((np.log(k * swell / (2 * np.pi))) ** 2) / (2 * 0.12**2))
            shape_k = shape_k * np.abs(np.cos(turned / 2)) ** 60
            total = (shape_k * k**2).sum() * cell
            return wind_sea + swell_slope**2 * shape_k / max(total, 1e-12)

        angle = np.arctan2(kz, kx)
        for name, towards in (("with_k", angle), ("against_k", angle + np.pi)):
            noise = rng.normal(size=k.shape) + 1j * rng.normal(size=k.shape)
            wave = noise / np.sqrt(2) * np.sqrt(amplitude(towards) * cell / 2)
            wave[0, 0] = 0
            setattr(self, name, wave.astype(np.complex64))

    def slopes(self, t):
        """Surface slopes (nz, nx, 2) float32, d/dx and d/dz of the height, at time t in seconds."""
        turn = np.exp(-1j * self.omega * t).astype(np.complex64)
        height = self.with_k * turn + self.against_k * turn.conj()
        out = np.empty(self.shape + (2,), np.float32)
        out[..., 0] = scipy.fft.irfft2(1j * self.kx * height, self.shape, norm="forward")
        out[..., 1] = scipy.fft.irfft2(1j * self.kz * height, self.shape, norm="forward")
        return out


def fractal(rng, shape, exponent, low=1.0, high=1e9):
    """A periodic random picture, mean 0 and standard deviation 1, of amplitude spectrum k^-exponent."""
    ky = np.fft.fftfreq(shape[0], 1 / shape[0])[:, None]
    kx = np.fft.rfftfreq(shape[1], 1 / shape[1])[None, :]
    k = np.hypot(ky * max(1, shape[1] / shape[0]), kx)  # cycles per longer side, for either axis
    k[0, 0] = np.inf
    gain = np.where((k >= low) & (k <= high), k**-exponent, 0)
    picture = np.fft.irfft2(gain * np.fft.rfft2(rng.normal(size=shape)), shape)
    return ((picture - picture.mean()) / picture.std()).astype(np.float32)


@numba.njit(inline="always", fastmath=True)
def _tap(grid, row, col, channel):
    """Bilinear sample of a periodic grid (n, m, C)."""
    height, width = grid.shape[0], grid.shape[1]
    r, c = int(np.floor(row)), int(np.floor(col))
    a, b = row - r, col - c
    r0, r1, c0, c1 = r % height, (r + 1) % height, c % width, (c + 1) % width
    return (1 - a) * ((1 - b) * grid[r0, c0, channel] + b * grid[r0, c1, channel]) + a * (
        (1 - b) * grid[r1, c0, channel] + b * grid[r1, c1, channel]
    )


@numba.njit(cache=True, fastmath=True)
def caustics(slopes, cell, depth, rays, z0, x0, nz, nx):
    """Sunlight at `depth` under the cells [z0:z0+nz, x0:x0+nx] of a periodic sea: about 1, more in a focus.

    Photons are sent down from rays x rays places in each cell, bent by the slope there, and collected
    bilinearly. They start straight down: the sun's own slant would only move the pattern as a whole.
    """
    out = np.zeros((nz, nx), np.float32)
    reach = depth * REFRACTION / cell
    margin = int(reach * 0.5) + 2
    share = 1.0 / (rays * rays)
    for j in range(-margin * rays, (nz + margin) * rays):
        fz = (j + 0.5) / rays - 0.5
        for i in range(-margin * rays, (nx + margin) * rays):
            fx = (i + 0.5) / rays - 0.5
            sx, sz = _tap(slopes, fz + z0, fx + x0, 0), _tap(slopes, fz + z0, fx + x0, 1)
            x, z = fx + reach * sx, fz + reach * sz
            px, pz = int(np.floor(x)), int(np.floor(z))
            b, a = x - px, z - pz
            if 0 <= px < nx - 1 and 0 <= pz < nz - 1:
                out[pz, px] += share * (1 - a) * (1 - b)
                out[pz, px + 1] += share * (1 - a) * b
                out[pz + 1, px] += share * a * (1 - b)
                out[pz + 1, px + 1] += share * a * b
    return out


@numba.njit(cache=True, fastmath=True)
def shade(
    width,
    height,
    supersample,
    altitude,
    half_width,
    drift,
    slopes,
    cell,
    film,
    film_cell,
    bottom,
    bottom_cell,
    bottom_depth,
    sun,
    sun_radiance,
    glint_slope,
    sky_zenith,
    sky_horizon,
    inherent,
    column,
    window,
    animal,
    animal_depth,
    wobble,
):
    """What the camera sees of the sea: linear RGB (height, width, 3). Fills `wobble`.

    altitude m; half_width: tan of half the horizontal field of view; drift (2,) m of the water past it;
    slopes (n, m, 2) over cells of `cell` m; film (n, m, 2), centred under the camera: what the slopes are
    multiplied with, and the share that foam covers; bottom (n, m, 3): light that leaves the bottom; sun (3,)
    unit; glint_slope: rms slope of waves too short to be in `slopes`; inherent (3,): light of endless water;
    column (3,) 1/m: its attenuation, there and back; window: row and column, supersampled, of the first
    sample of animal (h, w, 4), premultiplied linear RGB and coverage, haze included; animal_depth (h, w)
    m of its skin under the sea, negative above; wobble (h, w, 2): by how many samples the waves displace it.
    """
    image = np.zeros((height, width, 3), np.float32)
    scale = altitude * half_width
    per_metre = width * supersample / (2 * scale)  # samples per metre at sea level
    share = 1.0 / (supersample * supersample)
    away = -column * bottom_depth
    for pixel in range(height * width):
        pj, pi = pixel // width, pixel % width
        # once per pixel, what changes slowly: the film, and the path through the water
        z = (1 - 2 * (pj + 0.5) / height) * scale * height / width
        x = -(2 * (pi + 0.5) / width - 1) * scale
        row, col = z / film_cell + film.shape[0] / 2, x / film_cell + film.shape[1] / 2
        still, foam = _tap(film, row, col, 0), _tap(film, row, col, 1)
        oblique = np.sqrt(1 + (x * x + z * z) / (altitude * altitude))
        seen_r, seen_g = np.exp(away[0] * oblique), np.exp(away[1] * oblique)
        seen_b = np.exp(away[2] * oblique)
        far = 1 / np.sqrt(x * x + altitude * altitude + z * z)
        vx, vy, vz = -x * far, altitude * far, -z * far
        hx, hy, hz = vx + sun[0], vy + sun[1], vz + sun[2]  # the normal of facets that mirror the sun
        red, green, blue = 0.0, 0.0, 0.0
        for sample in range(supersample * supersample):
            j, i = pj * supersample + sample // supersample, pi * supersample + sample % supersample
            z = (1 - 2 * (j + 0.5) / (height * supersample)) * scale * height / width
            x = -(2 * (i + 0.5) / (width * supersample) - 1) * scale
            col, row = (x + drift[0]) / cell, (z + drift[1]) / cell
            sx, sz = _tap(slopes, row, col, 0) * still, _tap(slopes, row, col, 1) * still
            # under the surface
            under_r, under_g, under_b, cover = 0.0, 0.0, 0.0, 0.0
            dry = False
            if window[0] <= j < window[0] + animal.shape[0] and window[1] <= i < window[1] + animal.shape[1]:
                r, c = j - window[0], i - window[1]
                bend = REFRACTION * max(animal_depth[r, c], 0.0) * per_metre
                wobble[r, c, 0], wobble[r, c, 1] = -bend * sx, -bend * sz
                u, v = c + wobble[r, c, 0], r + wobble[r, c, 1]
                if 0 <= u < animal.shape[1] - 1 and 0 <= v < animal.shape[0] - 1:
                    cover = _tap(animal, v, u, 3)
                    under_r, under_g = _tap(animal, v, u, 0), _tap(animal, v, u, 1)
                    under_b = _tap(animal, v, u, 2)
                    dry = animal_depth[r, c] < 0 and cover > 0.5
            if cover < 0.999:
                bent = REFRACTION * bottom_depth
                row, col = (z + drift[1] + bent * sz) / bottom_cell, (x + drift[0] + bent * sx) / bottom_cell
                # a facet that faces the sun lets more of its light into the water under it
                inflow = 1 + 0.9 * (-sx * sun[0] - sz * sun[2]) / sun[1]
                ground = _tap(bottom, row, col, 0)
                under_r += (1 - cover) * (inherent[0] * inflow * (1 - seen_r) + ground * seen_r)
                ground = _tap(bottom, row, col, 1)
                under_g += (1 - cover) * (inherent[1] * inflow * (1 - seen_g) + ground * seen_g)
                ground = _tap(bottom, row, col, 2)
                under_b += (1 - cover) * (inherent[2] * inflow * (1 - seen_b) + ground * seen_b)
            under_r += foam * (0.72 - under_r)
            under_g += foam * (0.84 - under_g)
            under_b += foam * (0.88 - under_b)
            if dry:
                red, green, blue = red + under_r, green + under_g, blue + under_b
                continue
            # the surface: the sky in it, and the sun, in as many unresolved facets as have the slope for it
            norm = 1 / np.sqrt(1 + sx * sx + sz * sz)
            nx, ny, nz = -sx * norm, norm, -sz * norm
            cosine = max(nx * vx + ny * vy + nz * vz, 0.02)
            away_from = 1 - cosine
            fresnel = 0.02 + 0.98 * away_from * away_from * away_from * away_from * away_from
            rx, ry, rz = 2 * cosine * nx - vx, 2 * cosine * ny - vy, 2 * cosine * nz - vz
            low = (1 - max(ry, 0.0)) ** 1.6
            near_sun = max(rx * sun[0] + ry * sun[1] + rz * sun[2], 0.0)
            halo = 1.2 * near_sun**10 + 2.5 * near_sun**60
            dx, dz = -hx / hy - sx, -hz / hy - sz
            off = (dx * dx + dz * dz) / (2 * glint_slope * glint_slope)
            glint = sun_radiance * np.exp(-off) / (2 * np.pi * glint_slope * glint_slope) if off < 20 else 0.0
            sky_r = sky_zenith[0] + low * (sky_horizon[0] - sky_zenith[0]) + halo
            sky_g = sky_zenith[1] + low * (sky_horizon[1] - sky_zenith[1]) + 0.97 * halo
            sky_b = sky_zenith[2] + low * (sky_horizon[2] - sky_zenith[2]) + 0.92 * halo
            red += (1 - fresnel) * under_r + fresnel * (sky_r + glint)
            green += (1 - fresnel) * under_g + fresnel * (sky_g + 0.97 * glint)
            blue += (1 - fresnel) * under_b + fresnel * (sky_b + 0.90 * glint)
        image[pj, pi, 0], image[pj, pi, 1], image[pj, pi, 2] = share * red, share * green, share * blue
    return image
