"""Open the studio: `python app.py --data FOLDER`. The same as `python -m coronet studio`."""

from coronet.studio.launch import main

if __name__ == "__main__":
    main()
