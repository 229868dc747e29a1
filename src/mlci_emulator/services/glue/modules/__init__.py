"""The folder that is on the path of Glue scripts.

awsglue/    the package of Glue that Python shell scripts import
"""
