#!/bin/bash
# Runs the panels' window test by hand: a real Blender with a real window, under a virtual X screen.
#
#   tests/blender/window/run.sh CHROOT OUTPUT [MODEL.safetensors]
#
# CHROOT: a Debian root folder with Blender, Xvfb, ImageMagick and software OpenGL, /proc and /dev mounted
# (debootstrap sid, then apt-get install blender python3-numpy python3-cattr python3-requests xvfb xauth imagemagick
# libgl1-mesa-dri libegl1). OUTPUT: a folder for the pictures. Needs root, for chroot and bind mounts.
# The engine is the project's own .venv, seen from inside the chroot under the same paths.
set -eu
root=$(realpath "${1:?chroot}")
output=$(realpath -m "${2:?folder for the pictures}")
model=${3:-}
here=$(cd "$(dirname "$0")" && pwd)
project=$(cd "$here/../../.." && pwd)
python=$(realpath "$project/.venv/bin/python")
python_home=$(dirname "$(dirname "$python")")

work="$root/tmp/infinidepth-window"
rm -rf "$work"
mkdir -p "$work" "$output"
mounted=()
unmount() { for folder in "${mounted[@]}"; do umount --lazy "$folder"; done; }
trap unmount EXIT
for folder in "$project" "$python_home"; do
  mkdir -p "$root$folder"
  if ! mountpoint -q "$root$folder"; then
    mount --bind -o ro "$folder" "$root$folder"
    mounted+=("$root$folder")
  fi
done

if [ -n "${EXTENSION:-}" ]; then
  cp "$EXTENSION" "$work/extension.zip"
else
  "$project/.venv/bin/python" "$project/scripts/build_extension.py" -o "$work/dist"
  mv "$work"/dist/*.zip "$work/extension.zip"
fi
cp "$here/tour.py" "$project/tests/hub_server.py" "$work/"
cp "${PHOTO:-$project/.venv/lib/python3.11/site-packages/skimage/data/motorcycle_left.png}" "$work/photo.png"
[ -z "$model" ] || cp "$model" "$work/model.safetensors"

status=0
chroot "$root" env -i PATH=/usr/bin:/bin HOME=/tmp/infinidepth-window LIBGL_ALWAYS_SOFTWARE=1 XDG_RUNTIME_DIR=/tmp OMP_NUM_THREADS=1 \
  BLENDER_USER_RESOURCES=/tmp/infinidepth-window/user ENGINE_PYTHON="$project/.venv/bin/python" \
  timeout "${SECONDS_MAX:-600}" xvfb-run -a -s '-screen 0 1600x1000x24' \
  blender --gpu-backend opengl --enable-event-simulate --window-geometry 0 0 1600 1000 --python /tmp/infinidepth-window/tour.py \
  || status=$?
cp "$work"/*.png "$output/" 2>/dev/null || true
exit $status
