"""The ground floor: the kernel in small typed pieces, standard library only.

Every wrapper carries the kernel's own name and raises OSError with errno and path; what a failure
means to an operator is said by the layers above.
"""
