"""Ask a question with the shared cache: `python -m demo.ask`; prints how many versions the asset has."""

from __future__ import annotations

from trackteroid import SESSION, Asset, AssetVersion, Query


def main() -> None:
    with SESSION.reusing_query_results(shared=True):
        versions = Query(AssetVersion).by_name(Asset, "bc0040_comp").get_all(projections=["comment"])
    print(len(versions))


if __name__ == "__main__":
    main()
