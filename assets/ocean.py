"""The sea of the embedded clip: waves with true dispersion, the light that they bend, their look.

Nothing here knows of dolphins: `Sea` gives slopes of the surface at any time, `caustics` the light under it,
and `shade` what a camera sees that looks straight down, with a picture of what is under it laid in.
World axes as in the course: y up, sea level y = 0, metres; arrays over the sea are [z, x], and periodic.
"""

from typing import NamedTuple

import numba
import numpy as np
import scipy.fft

GRAVITY = 9.81
SURFACE_TENSION = 7.4e-5  # m^3/s^2, of sea water, over its density
INDEX = 1.34  # refractive index of sea water against air
REFRACTION = 1.0 - 1.0 / INDEX  # a ray coming down through a slope s is turned by about REFRACTION * s


class Sea:
    """A periodic patch of sea that moves by the linear dispersion relation of gravity-capillary waves.

    The spectrum is given by its curvature B(k) = k^4 Psi(k) (as in Elfouhaily et al., JGR 1997), so that the
    mean square slope is the integral of B(k) dk / k: a wind sea has B of some thousandths over decades of k.
    Waves shorter than about `shortest` are left to the glints' lobe in `shade`.
    """

    size, shape = (10.24, 20.48), (1024, 2048)  # m and cells, z and x
    wind_deg, peak, saturation, shortest = 200.0, 2.6, 0.0042, 0.035  # peak and shortest: wavelengths, m
    swell, swell_slope, swell_deg = 7.5, 0.022, 150.0  # wavelength, m; rms slope; where it runs

    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        (nz, nx), size = self.shape, self.size
        kz = 2 * np.pi * np.fft.fftfreq(nz, size[0] / nz)[:, None]
        kx = 2 * np.pi * np.fft.rfftfreq(nx, size[1] / nx)[None, :]
        k = np.hypot(kz, kx)
        k[0, 0] = 1.0
        self.kx, self.kz, self.k2 = kx.astype(np.float32), kz.astype(np.float32), (k * k).astype(np.float32)
        self.omega = np.sqrt(GRAVITY * k + SURFACE_TENSION * k**3)
        k_peak = 2 * np.pi / self.peak
        curvature = self.saturation * np.exp(-1.25 * (k_peak / k) ** 2)
        curvature = curvature * (1 + 0.9 * np.exp(-((k / k_peak - 1) ** 2) / 0.18))
        curvature = curvature * (k / k_peak) ** 0.08 * np.exp(-((k * self.shortest / (2 * np.pi)) ** 2))
        cell = (2 * np.pi) ** 2 / (size[0] * size[1])

        def amplitude(angle):  # of the waves that run towards `angle` (from +x to +z)
            turned = angle - np.deg2rad(self.wind_deg)
            power = np.clip(9.0 * (k_peak / k) ** 0.35, 0.7, 12.0)  # short waves spread wide
            spread = np.abs(np.cos(turned / 2)) ** (2 * power)
            spread = spread / np.sqrt(np.pi / (power + 0.25))
            wind_sea = curvature / k**4 * spread / 2
            turned = angle - np.deg2rad(self.swell_deg)
            shape_k = np.exp(-((np.log(k * self.swell / (2 * np.pi))) ** 2) / (2 * 0.12**2))
            shape_k = shape_k * np.abs(np.cos(turned / 2)) ** 60
            total = (shape_k * k**2).sum() * cell
            return wind_sea + self.swell_slope**2 * shape_k / max(total, 1e-12)

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


def apparent(points, height):
    """Where points (..., 3) seem to be through a flat sea, right above themselves, from (0, height, 0).

    Snell's law for the place where each ray crosses the surface, by bisection.
    """
    depth, beside = np.maximum(-points[..., 1], 0), np.hypot(points[..., 0], points[..., 2])
    low, high = np.zeros_like(beside), beside.copy()
    for _ in range(50):
        cross = (low + high) / 2
        in_air = cross / np.hypot(cross, height)  # sines
        in_water = (beside - cross) / np.maximum(np.hypot(beside - cross, depth), 1e-12)
        too_far = in_air > INDEX * in_water
        low, high = np.where(too_far, low, cross), np.where(too_far, cross, high)
    straight = beside < 1e-3
    rise = height * (beside / np.where(straight, 1.0, cross) - 1)  # the ray's, on its way to `beside`
    seen = np.where(straight, depth / INDEX, rise)
    out = points.copy()
    out[..., 1] = np.where(points[..., 1] < 0, -seen, points[..., 1])
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
    near = (1 - b) * grid[r0, c0, channel] + b * grid[r0, c1, channel]
    far = (1 - b) * grid[r1, c0, channel] + b * grid[r1, c1, channel]
    return (1 - a) * near + a * far


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


class View(NamedTuple):
    """A camera over the sea that looks straight down."""

    width: int
    height: int
    supersample: int  # samples along each side of a pixel
    altitude: float  # m
    half_width: float  # tan of half the horizontal field of view
    drift: np.ndarray  # (2,) m, of the water past the camera


class Water(NamedTuple):
    """The sea under it. Grids of cells are periodic; `film` is centred under the camera."""

    slopes: np.ndarray  # (n, m, 2)
    cell: float  # m
    film: np.ndarray  # (n, m, 2): what the slopes are multiplied with, and the share that foam covers
    film_cell: float  # m
    bottom: np.ndarray  # (n, m, 3): light that leaves the bottom
    bottom_cell: float  # m
    bottom_depth: float  # m
    inherent: np.ndarray  # (3,) light of endless water
    column: np.ndarray  # (3,) 1/m, its attenuation, there and back


class Light(NamedTuple):
    """Sun and sky."""

    sun: np.ndarray  # (3,) unit
    sun_radiance: float
    glint_slope: float  # rms slope of waves too short to be in `slopes`
    sky_zenith: np.ndarray  # (3,)
    sky_horizon: np.ndarray  # (3,)


class Under(NamedTuple):
    """A picture of what is under the surface, in a window of the supersampled frame."""

    window: np.ndarray  # row and column of its first sample
    animal: np.ndarray  # (h, w, 4): premultiplied linear RGB and coverage, haze included
    depth: np.ndarray  # (h, w) m, of its skin under the sea, negative above
    wobble: np.ndarray  # (h, w, 2): by how many samples the waves displace it; `shade` fills it


FOAM = (0.72, 0.84, 0.88)
GLINT = (1.0, 0.97, 0.90)  # the sun's colour in its mirror images
HALO = (1.0, 0.97, 0.92)  # and in the sky around it


@numba.njit(inline="always", fastmath=True)
def _look_under(j, i, sx, sz, under, per_metre, colour):
    """Lays the picture into `colour`, where sample (j, i) meets it. -> its coverage, whether it is dry"""
    window, animal, depth, wobble = under
    cover, dry = 0.0, False
    colour[:] = 0.0
    if window[0] <= j < window[0] + animal.shape[0] and window[1] <= i < window[1] + animal.shape[1]:
        r, c = j - window[0], i - window[1]
        bend = REFRACTION * max(depth[r, c], 0.0) * per_metre
        wobble[r, c, 0], wobble[r, c, 1] = -bend * sx, -bend * sz
        u, v = c + wobble[r, c, 0], r + wobble[r, c, 1]
        if 0 <= u < animal.shape[1] - 1 and 0 <= v < animal.shape[0] - 1:
            cover = _tap(animal, v, u, 3)
            for k in range(3):
                colour[k] = _tap(animal, v, u, k)
            dry = depth[r, c] < 0 and cover > 0.5
    return cover, dry


@numba.njit(inline="always", fastmath=True)
def _mirror(sx, sz, view, half, light, sky):
    """Fills `sky` with what the surface mirrors, the sun in it. -> the share of light that it mirrors

    sx, sz: the surface's slopes; view: the way to the camera; half: the normal of facets that mirror the sun.
    As many unresolved facets mirror it as have the slope for it.
    """
    sun, sun_radiance, glint_slope, sky_zenith, sky_horizon = light
    vx, vy, vz = view
    norm = 1 / np.sqrt(1 + sx * sx + sz * sz)
    nx, ny, nz = -sx * norm, norm, -sz * norm
    cosine = max(nx * vx + ny * vy + nz * vz, 0.02)
    away_from = 1 - cosine
    rx, ry, rz = 2 * cosine * nx - vx, 2 * cosine * ny - vy, 2 * cosine * nz - vz
    low = (1 - max(ry, 0.0)) ** 1.6
    near_sun = max(rx * sun[0] + ry * sun[1] + rz * sun[2], 0.0)
    halo = 1.2 * near_sun**10 + 2.5 * near_sun**60
    dx, dz = -half[0] / half[1] - sx, -half[2] / half[1] - sz
    off = (dx * dx + dz * dz) / (2 * glint_slope * glint_slope)
    glint = sun_radiance * np.exp(-off) / (2 * np.pi * glint_slope * glint_slope) if off < 20 else 0.0
    for k in range(3):
        sky[k] = sky_zenith[k] + low * (sky_horizon[k] - sky_zenith[k]) + HALO[k] * halo + GLINT[k] * glint
    return 0.02 + 0.98 * away_from * away_from * away_from * away_from * away_from


@numba.njit(cache=True, fastmath=True)
def shade(view, water, light, under):
    """What the camera sees of the sea: linear RGB (height, width, 3). Fills `under.wobble`."""
    width, height, supersample, altitude, half_width, drift = view
    slopes, cell, film, film_cell, bottom, bottom_cell, bottom_depth, inherent, column = water
    sun = light.sun
    image = np.zeros((height, width, 3), np.float32)
    scale = altitude * half_width
    per_metre = width * supersample / (2 * scale)  # samples per metre at sea level
    bent = REFRACTION * bottom_depth
    colour, sky, total = np.zeros(3), np.zeros(3), np.zeros(3)
    for pixel in range(height * width):
        pj, pi = pixel // width, pixel % width
        # once per pixel, what changes slowly: the film, and the path through the water
        z = (1 - 2 * (pj + 0.5) / height) * scale * height / width
        x = -(2 * (pi + 0.5) / width - 1) * scale
        row, col = z / film_cell + film.shape[0] / 2, x / film_cell + film.shape[1] / 2
        still, foam = _tap(film, row, col, 0), _tap(film, row, col, 1)
        oblique = np.sqrt(1 + (x * x + z * z) / (altitude * altitude))
        seen = np.exp(-column * bottom_depth * oblique)
        far = 1 / np.sqrt(x * x + altitude * altitude + z * z)
        towards = (-x * far, altitude * far, -z * far)
        half = (towards[0] + sun[0], towards[1] + sun[1], towards[2] + sun[2])
        total[:] = 0.0
        for sample in range(supersample * supersample):
            j, i = pj * supersample + sample // supersample, pi * supersample + sample % supersample
            z = (1 - 2 * (j + 0.5) / (height * supersample)) * scale * height / width
            x = -(2 * (i + 0.5) / (width * supersample) - 1) * scale
            col, row = (x + drift[0]) / cell, (z + drift[1]) / cell
            sx, sz = _tap(slopes, row, col, 0) * still, _tap(slopes, row, col, 1) * still
            cover, dry = _look_under(j, i, sx, sz, under, per_metre, colour)
            if cover < 0.999:
                row, col = (z + drift[1] + bent * sz) / bottom_cell, (x + drift[0] + bent * sx) / bottom_cell
                # a facet that faces the sun lets more of its light into the water under it
                inflow = 1 + 0.9 * (-sx * sun[0] - sz * sun[2]) / sun[1]
                for k in range(3):
                    ground = _tap(bottom, row, col, k)
                    colour[k] += (1 - cover) * (inherent[k] * inflow * (1 - seen[k]) + ground * seen[k])
            mirrored = 0.0 if dry else _mirror(sx, sz, towards, half, light, sky)
            for k in range(3):
                colour[k] += foam * (FOAM[k] - colour[k])
                total[k] += (1 - mirrored) * colour[k] + mirrored * sky[k]
        for k in range(3):
            image[pj, pi, k] = total[k] / (supersample * supersample)
    return image
