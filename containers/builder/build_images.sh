#!/usr/bin/env bash
# Builds image folders and pushes what their registry lacks, where this script and the folders were unpacked.
#
#   PLATFORM=linux/amd64 AWS_DEFAULT_REGION=REGION bash build_images.sh
#
# images.txt beside it has a line an image: FOLDER REGISTRY/REPOSITORY:TAG. Needs docker and aws. An image that is there
# is left alone: tags never move. The first command that fails ends it with its exit code.
set -euo pipefail

usage() {
  sed -n '2,7s/^# \{0,1\}//p' "$0" >&2
  exit 64
}

say() {
  printf 'images: %s\n' "$*"
}

log_in() {
  local registry
  while read -r registry; do
    # The password on standard input: every process can read command lines.
    aws ecr get-login-password | docker login --username AWS --password-stdin "$registry"
  done < <(cut -d ' ' -f 2 images.txt | cut -d / -f 1 | sort -u)
}

is_there() {
  local repository=${1#*/}
  # Whatever else is wrong, a push tells it better than this.
  aws ecr describe-images --repository-name "${repository%:*}" --image-ids "imageTag=${1##*:}" > /dev/null 2>&1
}

build_and_push() {
  local folder=$1 uri=$2
  if is_there "$uri"; then
    say "$folder: is there already"
    return
  fi
  say "$folder: building for $PLATFORM"
  docker build --platform "$PLATFORM" --tag "$uri" "$folder"
  say "$folder: pushing $uri"
  docker push "$uri"
  say "$folder: pushed"
}

main() {
  # Not an index of image and attestation: what a tag names is the image that is scanned and pinned.
  export BUILDX_NO_DEFAULT_ATTESTATIONS=1
  local folder uri
  [[ -n ${PLATFORM:-} && -s images.txt ]] || usage
  log_in
  # From a descriptor of its own: docker would read the list away from standard input.
  while read -r -u 3 folder uri; do
    build_and_push "$folder" "$uri"
  done 3< images.txt
}

cd "$(dirname "$0")"
main
