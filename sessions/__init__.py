"""The hearing on record: booked, opened by invitation, held, recorded, sealed."""
